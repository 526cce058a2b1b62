"""Holds a payload in a small process, and starts it there: nothing here imports more than it must."""
