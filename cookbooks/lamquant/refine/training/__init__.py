"""Trains refining decoders on what a frozen codec makes of crops."""
