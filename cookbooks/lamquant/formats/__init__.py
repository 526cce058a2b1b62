"""Reads and writes the file formats of the codec: LML1 (lossless container) and LMA1 (archive).

Both are independent implementations of the published layouts; no reference source was used.
"""
