"""Tells the hooks of the alert settings what happened, and decides when."""
