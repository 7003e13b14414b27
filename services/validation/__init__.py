"""Test sets against training and live data, and the gates a candidate must pass."""
