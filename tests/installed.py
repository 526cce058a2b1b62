"""Makes a cookbook of the tests one that `blut` finds. Apart, without Dagster's slow import."""

from pathlib import Path


def install(directory: Path, name: str = "contained", module: str = "tests.contained") -> str:
    """Make a module's cookbook one that `blut` finds when the returned directory is on the PYTHONPATH."""
    info = directory / f"{name}-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[blut.cookbooks]\n{name} = {module}:cookbook\n")
    return str(directory)
