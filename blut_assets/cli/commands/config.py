"""Implements `blut config show`: what a run would get, and where each value comes from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.run.arguments import Args, ConfigFile, Name, Set
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, columns, print_json, wrong

if TYPE_CHECKING:
    from blut_assets.layers.listing import ListedValue
    from blut_assets.layers.resolve import Layered

app = group("The settings of recipes: files, variables and options in layers.")


@app.command()
def show(
    name: Name,
    args: Args = "{}",
    set_: Set = None,
    config: ConfigFile = None,
    origin: Annotated[
        bool,
        typer.Option("--origin", help="Also where each value comes from: file and line, variable or option."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the args with which a recipe would run here, of all layers of settings together. Runs nothing.

    Without --origin it is YAML that `blut recipe run NAME --args @FILE` takes. What has to be given and is
    not says <required>. With --origin also which files were looked for, on standard error.
    """
    from blut_assets.cli.run.arguments import layers_of, recipe_called
    from blut_assets.layers.listing import listed
    from blut_assets.recipes import ArgsError

    found = layers_of(recipe_called(name), args, set_, config)
    try:
        rows = listed(found)
    except ArgsError as error:
        wrong(str(error))
    if not origin:
        _print_args(rows, as_json)
    elif as_json:
        print_json([one.as_dict() for one in rows])
    else:
        _tell_looked(found)
        typer.echo(columns([_row(one) for one in rows]))


def _print_args(rows: "list[ListedValue]", as_json: bool) -> None:
    values: dict[str, Any] = {}
    for one in rows:
        inner = values
        for key in one.path[:-1]:
            inner = inner.setdefault(key, {})
        inner[one.path[-1]] = one.value
    if as_json:
        print_json(values)
        return
    import yaml

    typer.echo(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), nl=False)


def _tell_looked(found: "Layered") -> None:
    for layer, file, there in found.looked:
        typer.echo(f"{layer}: {file}{'' if there else ' (not there)'}", err=True)


def _row(one: "ListedValue") -> dict[str, str]:
    from blut_assets.terminal.output import as_json

    value = one.value if isinstance(one.value, str) else as_json(one.value)
    return {"argument": ".".join(one.path), "value": value, "from": str(one.origin)}
