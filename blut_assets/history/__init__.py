"""Reads history and writes none:
plans, failures and their reasons, leaderboards, and which bytes must stay.
"""
