"""Serves the payload's side: a payload script imports this."""
