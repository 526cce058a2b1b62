"""Says what the assets of the cookbook show in the UI."""
