"""Makes the cookbook of `tests.contained` one that `blut` finds. Apart, without Dagster's slow import."""

from pathlib import Path


def install(directory: Path) -> str:
    """Make the cookbook one that `blut` finds when the returned directory is on the PYTHONPATH."""
    info = directory / "contained-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: contained\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\ncontained = tests.contained:cookbook\n")
    return str(directory)
