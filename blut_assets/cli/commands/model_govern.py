"""Implements `blut model govern`: who owns the floors of a name, and what they are."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.cli.commands.model_common import Alias, By, Why, explained, opened
from blut_assets.floors import FloorsInvalid, parse_floors, read_floors
from blut_assets.terminal.output import columns
from blut_resources.registry.log import check_alias, check_name, parted
from blut_resources.registry.models import Authority, Governance, ModelRegistry, RegistryError
from blut_resources.registry.records import governed_aliases
from blut_resources.store.artifacts import ArtifactStore, write_atomic


@explained
def govern(
    model: Alias,
    floors: Annotated[Path | None, typer.Option(help="YAML file of floors to pin.")] = None,
    why: Why = "",
    by: By = "",
    show: Annotated[bool, typer.Option("--show", help="Only show who pinned which floors.")] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Take the pinned floors away; say --why.")
    ] = False,
) -> None:
    """Pin the floors of a name: every promotion to it is judged by them, whatever its run was judged by.

    Aliases with pinned floors are governed, as prod is, which takes nothing before floors are pinned.
    """
    if (floors is not None) + show + release != 1:
        raise RegistryError("give one of --floors FILE, --show and --release")
    name, alias = parted(model)
    check_name("name", name)
    check_alias(alias)
    authority = Authority(by, why)
    with opened(write=not show) as (registry, store):
        if floors is not None:
            print(_pin(registry, store, name, alias, floors, authority))
        elif release:
            registry.release(name, alias, authority)
            print(f"{model}: no floors are pinned any more{_still(alias)}")
        else:
            print(_shown(store, model, alias, registry.governance(name).get(alias)))


def _pin(
    registry: ModelRegistry, store: ArtifactStore, name: str, alias: str, path: Path, authority: Authority
) -> str:
    from blut_assets.definitions import discovered

    try:
        data = read_floors(path)
        formats = [one for cookbook in discovered.cookbooks for one in cookbook.floors]
        rules, found = parse_floors(data, path.name, name, formats)
    except FloorsInvalid as error:
        raise RegistryError(str(error)) from error
    folder = store.staging()
    write_atomic(folder / "floors.yaml", data)
    digest = store.put(folder / "floors.yaml")
    folder.rmdir()
    pinned, is_new = registry.govern(
        name, alias, floors=digest, rules=rules, isolated=found.isolated, authority=authority
    )
    return f"{pinned.model} is judged by {len(rules)} floors ({digest[:12]}){'' if is_new else ', as before'}"


def _still(alias: str) -> str:
    return "; it stays governed, and takes nothing until some are" if alias in governed_aliases() else ""


def _shown(store: ArtifactStore, model: str, alias: str, pinned: Governance | None) -> str:
    if pinned is None:
        governed = "is governed, and" if alias in governed_aliases() else "is not governed:"
        return (
            f"{model} {governed} no floors are pinned: `blut model govern {model} --floors FILE --why TEXT`"
        )
    table = [
        {"floor": f"{rule.kind} {rule.name}", "of": rule.scope, "": f"{rule.op} {rule.floor:g}"}
        for rule in pinned.rules
    ]
    told = f"{model}: floors {pinned.floors}, pinned by {pinned.by} on {pinned.at[:19]}: {pinned.why or '-'}"
    return f"{told}\nfile: {store.open(pinned.floors)}\n{columns(table)}"
