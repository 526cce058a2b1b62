"""What the assets show in the UI."""
