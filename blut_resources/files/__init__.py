"""Writes, believes, opens and digests files: durable ones, private ones and those that others wrote."""
