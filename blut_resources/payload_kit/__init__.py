"""The payload's side: what a payload script imports."""
