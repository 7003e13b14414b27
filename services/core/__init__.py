"""Words that every subject shares: who, what, when, and a number with its verdict."""
