"""What people and their clients talk to: HTTP, WebSocket, pages."""
