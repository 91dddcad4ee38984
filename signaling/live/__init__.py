"""Sittings while they run: who may enter, the life of their rooms, who was present."""
