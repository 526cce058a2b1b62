"""Alerts: the hooks that are told, and when."""
