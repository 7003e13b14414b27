"""One script per page; kept a package so that the import rules see it."""
