"""Three faces over services: web pages, the command line, and reports. They ask, draw and forward the click."""
