"""The audit trail: who did what to what, when, with which result."""
