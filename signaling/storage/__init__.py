"""The database: SQLite by default, PostgreSQL by configuration. Media never depends on it."""
