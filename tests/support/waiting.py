"""How long tests wait."""

PATIENCE_S = 30.0
"""For what must happen. Long, for machines are slow and shared; how soon it happens, `make bench` tells."""
