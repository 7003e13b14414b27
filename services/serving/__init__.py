"""Latency, errors and outage of what users get."""
