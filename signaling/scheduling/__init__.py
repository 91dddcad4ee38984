"""Who sits together, when, with whom invited and what reserved."""
