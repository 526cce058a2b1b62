"""Serves the parent's side of a payload: it is started, heard, and leaves nothing behind."""
