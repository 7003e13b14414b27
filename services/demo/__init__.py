"""A demonstration on real flights, real models and real failures."""
