"""Measurements held against bars: `python -m tests.bench`, which is `make bench`."""
