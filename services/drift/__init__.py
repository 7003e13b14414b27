"""How far one profile is from another, and whether that is more than noise."""
