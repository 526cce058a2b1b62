"""Holds what `blut cookbook new` writes: a small package that works, to be changed into one's own."""
