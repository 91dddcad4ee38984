"""Simulated participants that speak only the public protocol, and what they see and hear."""
