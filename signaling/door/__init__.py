"""The door of a room: people knock, wait, and are let in by who is inside. Knows no class of room."""
