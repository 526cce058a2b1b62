"""Implements `blut codec`: recordings to .lqc files and back, for whoever uses a codec."""
