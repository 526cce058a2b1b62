"""Lets a verdict travel: what was judged, by what and on whose authority, in one signed file."""
