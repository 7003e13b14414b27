"""What the pages ask, cached: one module per room. Always with `ttl` and `max_entries`; keys are ids, never frames."""
