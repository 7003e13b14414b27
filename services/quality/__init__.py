"""Model quality with late labels, and its estimate before they come."""
