"""Shared pools: limit, requested, used; who uses them, until when, and what a new pipeline needs."""
