"""Defines the sensors: what Blut does by itself while the daemon runs."""
