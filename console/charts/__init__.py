"""Charts: rows in, an Altair chart out; never a query, never a calculation of a statistic."""
