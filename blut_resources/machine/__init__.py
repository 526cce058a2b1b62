"""Tells what this machine has, what runs on it, and which process is alive."""
