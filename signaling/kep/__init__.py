"""Calls with a citizen service centre (ΚΕΠ): the appointment, and the administration of the ΚΕΠ."""
