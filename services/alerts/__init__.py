"""Rules, incidents, who is told and when."""
