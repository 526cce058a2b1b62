"""The thin `blut` command: the same definitions and the same functions as Dagster's own front doors."""


def main() -> None:
    """Run the command line."""
    from blut_assets.cli.app import app

    app()
