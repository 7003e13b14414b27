"""The worker: what is done in one pass, in which order, and what happens when a part of it fails."""
