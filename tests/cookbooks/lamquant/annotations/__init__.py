"""Holds tests of annotations."""
