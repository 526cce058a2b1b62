"""Keeps house: how long runs are kept, which may go, and their removal."""
