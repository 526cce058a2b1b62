"""Asks the installed cookbooks about verdicts that travel."""

from blut_assets.travel import Travel


def travels() -> dict[str, Travel]:
    """Returns what the installed cookbooks declare, by the names of those that do."""
    from blut_assets.discovery import discover

    return {one.name: one.travel for one in discover().cookbooks if one.travel}
