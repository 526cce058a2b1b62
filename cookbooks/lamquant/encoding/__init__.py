"""Turns files of recordings into the archives and the index of a corpus."""
