"""Hands out a registered model in the forms that other programs take."""
