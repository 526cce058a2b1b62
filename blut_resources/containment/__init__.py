"""Ways to keep a payload's processes together, so that all of them end when it does."""
