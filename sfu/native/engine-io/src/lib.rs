//! The engine's shell: one thread, its UDP sockets, batching, and the queues to Python.
