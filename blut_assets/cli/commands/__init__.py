"""One module a command of `blut`."""
