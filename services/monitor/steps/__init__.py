"""The steps of a pass, one module per subject; each is idempotent and may be killed at any point."""
