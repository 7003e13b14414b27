"""Releases: evidence, approvals, rollout, rollback, and the intent that targets are driven to."""
