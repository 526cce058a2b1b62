"""Holds Dagster definitions beside the cookbooks':
`dg scaffold defs` writes here, and what is here is loaded.
"""
