"""Training runs: what really happened, how long it took, and why it failed."""
