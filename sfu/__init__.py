"""The media server: rooms, negotiation, handshakes, media workers, and the native packet engine."""
