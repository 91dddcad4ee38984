"""Simulated participants that speak only the public protocol, and the judge of what they see and hear."""
