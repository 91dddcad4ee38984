"""Alembic migrations: what the schema was, step by step. Never changed once released."""
