"""The bundled serving process: split, answer, log."""
