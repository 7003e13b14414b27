"""Files for people who do not open the console: PDF, XLSX, CSV, HTML."""
