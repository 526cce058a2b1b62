"""Speaks the language of the graph: what an artifact is, how an asset makes it, when it may be reused."""

from blut_assets.own_packages import prefer_own

prefer_own()
