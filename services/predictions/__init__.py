"""The prediction log: its columns, their meaning, and how late labels join it."""
