"""Implements `blut launch orphans|sync`: what concerns the launchers of a user, and no single run."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, failed, listing, print_json, wrong

app = group("Where payloads run besides this machine: the profiles in launchers.toml.")
Name = Annotated[str, typer.Argument(metavar="PROFILE", help="A name in launchers.toml.")]


@app.command()
def sync(profile: Name, as_json: AsJson = False) -> None:
    """Give the nodes of a profile the source of this checkout, changes and new files included.

    It is copied into `checkout` of the profile, to a directory with the digest of the source as its name. A
    copy is never changed: running jobs keep theirs. Needs git, and that directory on the share.
    """
    from blut_resources.launchers.base import LauncherError
    from blut_resources.launchers.checkout import CheckoutError, is_source
    from blut_resources.launchers.checkout import sync as copy
    from blut_resources.launchers.profiles import find_profile

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


@app.command()
def orphans(
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Their numbers; all if none is given.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End them, with time for a checkpoint.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the jobs of this history that go on though their run has died.

    Whoever runs the same command again takes such a job over: nothing is computed twice. One that nobody will
    want is ended with --cancel; its checkpoint stays.
    """
    from blut_resources.instance.home import find_home, store_root
    from blut_resources.launchers.left import end_left, left_jobs, looked_at
    from blut_resources.launchers.transport import NoAnswer

    found = looked_at([*left_jobs(store_root(find_home()) / "work")])
    if unknown := set(jobs or ()) - {one.job for one, _ in found}:
        failed(
            f"no job {', '.join(sorted(unknown))} goes on without its run: give numbers as"
            " `blut launch orphans` lists them"
        )
    rows = []
    for one, sight in found:
        if jobs and one.job not in jobs:
            continue
        state = sight.state if sight else "unknown: its scheduler does not answer"
        if cancel:
            try:
                end_left(one, sight)
                state = "asked to end"
            except NoAnswer as error:
                state = f"told by its files to end; its scheduler does not answer ({error})"
        about = {"job": one.job, "launcher": one.launch["profile"], "asset": one.launch["name"]}
        where = {"node": (sight.node or sight.reason) if sight else "", "run": one.launch["run"]}
        rows.append({**about, "state": state, **where})
    short = [row if as_json else {**row, "run": row["run"][:8]} for row in rows]
    listing(short, as_json, "no job goes on without its run")
