"""Implements the cockpit, `blut tui`: what the commands tell, live in a terminal and by keys."""
