"""Synthetic participants that speak only the public protocol."""
