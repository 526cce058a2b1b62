"""Runs a search for the best args from the command line: `blut hpo`."""
