"""Draws what a reviewer of a verdict asks to see; decides nothing."""
