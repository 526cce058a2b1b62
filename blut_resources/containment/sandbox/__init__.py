"""Keeps an isolated process from the rest of the machine: Landlock, namespaces, seccomp."""
