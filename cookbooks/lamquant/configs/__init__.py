"""Defines typed configs of the LamQuant assets, in the order of the flow.

Fields in ``HOW`` say how, not what.
"""
