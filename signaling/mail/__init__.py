"""Mail: queued in the database with what it tells about, delivered apart, its state visible."""
