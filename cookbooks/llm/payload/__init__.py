"""Holds the scripts that run in a process of their own, each called <stage>_<verb>."""
