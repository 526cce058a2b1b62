"""Holds a payload in a small process, and starts it there: nothing here imports more than it must."""

GRACE = "grace.json"
"""In the place of a unit: another grace period than it was started with."""
