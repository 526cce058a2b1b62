"""Says things on a terminal, for Blut's commands and for those that a cookbook brings."""
