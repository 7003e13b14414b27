"""Mergeable counts per model version and bucket, in bins fitted once on the baseline."""
