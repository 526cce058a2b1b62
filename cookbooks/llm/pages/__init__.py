"""Makes what the assets show in the UI."""
