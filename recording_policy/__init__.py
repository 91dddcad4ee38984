"""Decides what may be recorded, and proves it. Imports nothing of ours."""
