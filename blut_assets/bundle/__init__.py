"""A verdict that travels: what was judged, by what and on whose authority, in one signed file."""
