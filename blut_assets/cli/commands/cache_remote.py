"""Implements `blut cache push|pull|sync`: copies of artifacts in a bucket, there and back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from blut_assets.cli.commands.model_common import explained
from blut_assets.cli.shell.completion import complete_run
from blut_assets.terminal.output import AsJson, failed, print_json, wrong

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.cli.run.transfer import Way
    from blut_resources.remote.tier import RemoteTier

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN|NAME@ALIAS|DIGEST...]",
        help="What a run made or reused; a registered model; or enough of a digest's beginning.",
        autocompletion=complete_run,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")]
UNHEEDED = (
    "the server does not heed `If-None-Match`: two that push the same at once both write it, which costs time"
    " and harms nothing, since both write the same"
)


@explained
def push(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All that lies in the store.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Copy artifacts to the bucket that $BLUT_REMOTE names; what is there is not sent again.

    The notes of what they are the results of go along, so that another machine need not compute them. What
    stays where you keep it, such as raw recordings, is not copied.
    """
    _copy(["push"], names or [], everything, dry_run, as_json)


@explained
def pull(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All that lies in the remote.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Copy artifacts from the bucket that $BLUT_REMOTE names into the store, and prove them by their digest.

    A run does so by itself with what it needs. A run of another machine can be named too.
    """
    _copy(["pull"], names or [], everything, dry_run, as_json)


@explained
def sync(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All of both.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Copy what the remote lacks there, then what the store lacks back."""
    _copy(["push", "pull"], names or [], everything, dry_run, as_json)


def _artifacts(
    way: "Way", instance: "dg.DagsterInstance", tier: "RemoteTier", names: list[str], ways: Sequence["Way"]
) -> dict[str, str]:
    """Returns what to copy one way; what is to go both ways need not be known on both sides."""
    from blut_assets.cli.run.asked_for import all_here, found_here, found_there
    from blut_assets.history.identify import Unknown

    store, found = tier.store, dict[str, str]()
    if not names:
        return all_here(instance, store) if way == "push" else dict.fromkeys(tier.digests(), "")
    if way == "pull":
        return found_there(instance, tier, names)
    for name in names:
        try:
            found |= found_here(instance, store, [name])
        except Unknown:
            if "pull" not in ways:
                raise
    return found


def _copy(ways: Sequence["Way"], names: list[str], everything: bool, dry_run: bool, as_json: bool) -> None:
    from blut_assets.cli.run.transfer import Transfer
    from blut_assets.history.identify import Ambiguous, Unknown
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.remote.address import EXAMPLES, remote_address
    from blut_resources.remote.bucket import Bucket
    from blut_resources.remote.tier import RemoteTier, laid_out

    if everything == bool(names):
        wrong("name runs, models or digests, or give --all, and not both")
    if not (url := remote_address()):
        wrong(f"there is no remote: export BLUT_REMOTE, such as {EXAMPLES}")
    laid_out(bucket := Bucket(url))  # before a home is made for nothing
    with open_instance() as instance:
        tier = RemoteTier(store_of(instance), bucket)
        transfer = Transfer(tier)
        if "push" in ways and not dry_run and not tier.opened():
            transfer.line(f"{url}: {UNHEEDED}")
        try:
            for way in ways:
                transfer.copy(way, _artifacts(way, instance, tier, names, ways), dry_run=dry_run)
        except Ambiguous as error:
            wrong(str(error))
        except Unknown as error:
            failed(str(error))
    if as_json:
        print_json(transfer.as_dict())
    else:
        typer.echo(transfer.summary(dry_run=dry_run))
    raise typer.Exit(1 if any(one.outcome == "failed" for one in transfer.done) else 0)
