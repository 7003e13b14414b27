"""Data checks: missing, corrupt, out of range, unseen, duplicate, volume, freshness."""
