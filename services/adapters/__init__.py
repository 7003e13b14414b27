"""Every library that touches the world is imported in here and nowhere else in services."""
