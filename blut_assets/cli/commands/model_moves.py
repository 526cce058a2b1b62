"""Implements `blut model promote|rollback|drop|retire`: what a name stands for, and what is let go."""

from typing import Annotated

import typer

from blut_assets.cli.commands.model_common import Alias, By, Why, explained, opened
from blut_assets.cli.commands.model_rows import compared
from blut_assets.cli.shell import completion
from blut_assets.terminal.output import size
from blut_resources.registry.log import parted
from blut_resources.registry.models import Authority, ModelRegistry, Registration

Worse = Annotated[
    str,
    typer.Option(
        "--allow-worse", metavar="WHY", help="Why it may replace one that is better on the same sealed set."
    ),
]
NewSealed = Annotated[
    str,
    typer.Option(
        "--new-sealed", metavar="WHY", help="Why it may be judged on another sealed set than so far."
    ),
]


@explained
def promote(
    model: Alias,
    version: Annotated[int, typer.Option(help="The registered version that it is to stand for.")],
    why: Why = "",
    by: By = "",
    allow_worse: Worse = "",
    new_sealed: NewSealed = "",
) -> None:
    """Let a name stand for a version; a governed alias takes one that its own floors let pass."""
    with opened(write=True) as (registry, store):
        name, alias = parted(model)
        authority = Authority(by, why, allow_worse, new_sealed)
        entry, is_new = registry.promote_version(name, alias, version, store, authority)
    judged = "which passed" if entry.verdict else "unjudged: the alias is not governed"
    print(f"{entry.model} stands for version {version}, {judged}{'' if is_new else ', as before'}")
    if is_new and entry.previous:
        print(compared(entry))


@explained
def rollback(model: Alias, why: Why = "", by: By = "", allow_worse: Worse = "") -> None:
    """Let a name stand for what it stood for before its last promotion.

    A governed alias takes it back only if it meets the floors that are pinned now.
    """
    with opened(write=True) as (registry, store):
        entry = registry.rollback(*parted(model), store, Authority(by, why, allow_worse))
    print(f"{entry.model} stands for {entry.told} again")


@explained
def drop(model: Alias, why: Why = "", by: By = "") -> None:
    """Take a name away, also a governed one: it stands for nothing any more.

    What it stood for stays as long as it is a version that was not retired; the history stays in any case.
    """
    with opened(write=True) as (registry, _):
        entry, is_new = registry.drop(*parted(model), Authority(by, why))
    print(f"{entry.model} stands for nothing{'' if is_new else ', as before'}; it stood for {entry.told}")


@explained
def retire(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME@VERSION", help="Such as mine@3.", autocompletion=completion.complete_version
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would free.")] = False,
) -> None:
    """Let go of a version that no name stands for, so that `blut cache prune` may remove it.

    A registered version keeps the bytes that were judged and all that they were made of.
    It stays in the history, and the same bytes registered again are in use again.
    """
    from blut_assets.history.retention import freed_by_retiring
    from blut_assets.sweeps.standing import needed
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=not dry_run) as instance:
        registry = ModelRegistry(store_of(instance).root / "registry")
        record = registry.retirable(model)
        freed = freed_by_retiring(instance, record, needed=needed)
        told, is_new = _retired(registry, record, dry_run)
    print(f"{record.model} {told}{'' if is_new else ', as before'}")
    if is_new and freed:
        then = "would then free" if dry_run else "now frees"
        print(f"`blut cache prune` {then} {size(freed)} more, when it was not used for an hour")
    elif is_new:
        print("`blut cache prune` frees nothing more: newest results, or another version, need all of it")


def _retired(registry: ModelRegistry, record: Registration, dry_run: bool) -> tuple[str, bool]:
    """Returns what became of a version, or would; and whether that is new."""
    if dry_run and record.version not in registry.retired(record.name):
        return "would be retired", True
    retirement, is_new = registry.retire(record.model)
    return f"is {retirement.told}", is_new
