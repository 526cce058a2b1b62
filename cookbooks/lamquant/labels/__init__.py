"""Turns what people have marked into a label for each frame, and keeps those of sealed patients apart."""
