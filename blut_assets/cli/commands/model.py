"""Implements `blut model`: what is registered, what a name stands for, and who may move it."""

from typing import Annotated

import typer

from blut_assets.cli.commands import model_digest, model_moves
from blut_assets.cli.commands import model_rows as rows
from blut_assets.cli.commands.model_common import (
    NAME,
    AliasOrVersion,
    explained,
    no_such_model,
    opened,
    version_or_entry,
)
from blut_assets.cli.commands.model_export import export
from blut_assets.cli.commands.model_govern import govern
from blut_assets.cli.shell import completion
from blut_assets.cli.views.models import as_json as told
from blut_assets.cli.views.models import model_rows, version_rows
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, columns, listing, print_json
from blut_resources.registry.models import ModelRegistry, RegistryError

app = group("Registered models: versions, aliases, promotion, floors.")
for command in (
    *(model_moves.promote, model_moves.rollback, model_moves.drop, model_moves.retire),
    *(govern, export),
):
    app.command()(command)


@app.command("list")
@explained
def list_models(as_json: AsJson = False) -> None:
    """List the models: versions, how many of them are retired, newest registration, aliases."""
    with opened() as (registry, _):
        models = model_rows(registry)
    listing(models, as_json, "no models: a recipe that ends in a judged model registers one")


@app.command()
@explained
def show(
    name: Annotated[str, typer.Argument(help=NAME, autocompletion=completion.complete_model_or_reference)],
    as_json: AsJson = False,
) -> None:
    """Show a model's versions, or everything about one: NAME, NAME@ALIAS or NAME@VERSION.

    A file, or the beginning of a digest, is shown as what it is of a version, or else of which asset.
    """
    with opened() as (registry, store):
        if "@" in name:
            known = version_or_entry(registry, name)
            if as_json:
                print_json(told(registry, known))
            else:
                print(rows.story(registry, store, known))
            return
        if name not in registry.names():
            if not model_digest.show(name, as_json):
                raise no_such_model(registry, name)
            return
        records = list(registry.versions(name).values())
        table = rows.versions(registry, records)
        whole = version_rows(registry, name)
    if as_json:
        print_json(whole)
    else:
        print(columns(table) if table else f"{name} has no versions; `blut model history {name}`")


@app.command()
@explained
def resolve(
    model: AliasOrVersion,
    role: Annotated[
        str, typer.Option(help="What of it: the candidate, or an input by its name in `blut model show`.")
    ] = "candidate",
    path: Annotated[bool, typer.Option("--path", help="Print where its checked bytes are.")] = False,
) -> None:
    """Print the digest that a name stands for."""
    with opened() as (registry, store):
        digest = _digest(registry, model, role)
        print(store.open(digest) if path else digest)


@app.command()
@explained
def history(
    name: Annotated[str, typer.Argument(help=NAME, autocompletion=completion.complete_model)],
    as_json: AsJson = False,
) -> None:
    """Print every registration, promotion, rollback, drop, retirement and pinning of floors, oldest first."""
    with opened() as (registry, _):
        records: list[rows.Event] = [
            *registry.registrations(name),
            *registry.history(name),
            *registry.retirements(name),
            *registry.governances(name),
        ]
        if not records:
            raise no_such_model(registry, name)
    records.sort(key=lambda record: record.at)
    if as_json:
        print_json([rows.event(record) | record.model_dump(mode="json") for record in records])
    else:
        print(columns([rows.event(record) for record in records]))


def _digest(registry: ModelRegistry, model: str, role: str) -> str:
    if role == "candidate":
        return registry.resolve(model)
    inputs = registry.registration(model).inputs
    if role not in inputs:
        raise RegistryError(f"--role {role!r} is none of candidate, {', '.join(inputs)}")
    return inputs[role]
