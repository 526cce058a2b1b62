"""Holds the domain packs that come with Blut."""
