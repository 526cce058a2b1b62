"""Implements `blut launch sync`: what concerns the launchers of a user, and no single run."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, failed, print_json, wrong

app = group("Where payloads run besides this machine: the profiles in launchers.toml.")
Name = Annotated[str, typer.Argument(metavar="PROFILE", help="A name in launchers.toml.")]


@app.command()
def sync(profile: Name, as_json: AsJson = False) -> None:
    """Give the nodes of a profile the source of this checkout, changes and new files included.

    It is copied into `checkout` of the profile, to a directory with the digest of the source as its name. A
    copy is never changed: running jobs keep theirs. Needs git, and that directory on the share.
    """
    from blut_resources.launchers.checkout import CheckoutError, is_source
    from blut_resources.launchers.checkout import sync as copy
    from blut_resources.launchers.profiles import LauncherError, find_profile

    try:
        found = find_profile(profile, "PROFILE")
    except LauncherError as error:
        wrong(str(error))
    if found is None or not found.checkout:
        wrong(f"{profile}: its nodes read the source where it is here; give it a `checkout` for copies")
    if is_source(base := Path(found.checkout)):
        wrong(f"checkout = {base}: a checkout that is updated by hand; name a directory for copies instead")
    try:
        synced = copy(base)
    except CheckoutError as error:
        failed(str(error))
    if as_json:
        print_json({"path": str(synced.path), "version": synced.version, "made": synced.made})
        return
    typer.echo(f"{synced.path}{'' if synced.made else ' is there already: nothing was copied'}")
