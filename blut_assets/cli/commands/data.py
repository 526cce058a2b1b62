"""Implements `blut data list|add|show|check|rm`: datasets by name.

In recipe args, data://NAME is the path.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.commands import data_split
from blut_assets.cli.shell.completion import complete_dataset
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import (
    AsJson,
    ago,
    columns,
    failed,
    listing,
    numbers,
    print_json,
    size,
    wrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blut_assets.datasets import DataKind, Dataset, Datasets, Inspection
    from blut_resources.store.artifacts import ArtifactStore

app = group("Datasets by name. In recipe args, data://NAME stands for the path of one.")
app.add_typer(data_split.app, name="split")
SHOWN = 20

Dataset_ = Annotated[
    str, typer.Argument(metavar="NAME", help="See `blut data list`.", autocompletion=complete_dataset)
]


@app.command("list")
def list_data(as_json: AsJson = False) -> None:
    """List the datasets: kind, size, what was counted in them, and where they are."""
    datasets, _ = _opened()
    found = datasets.all()
    rows = [one.as_dict() for one in found] if as_json else [_row(one) for one in found]
    listing(rows, as_json, "no datasets: `blut data add NAME PATH` adds one")


def _row(one: "Dataset") -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "size": size(one.n_bytes),
        "counts": numbers(one.counts),
        "digest": one.digest[:12],
        "added": ago(one.added),
        "path": one.path,
    }


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as talks.")],
    path: Annotated[Path, typer.Argument(help="A file or directory; it stays where it is.")],
    kind: Annotated[
        str, typer.Option("--kind", help="By default by its suffixes; --kind ? lists them.")
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="In place of what has the name now.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept-bad", help="Also with rows or files that cannot be used.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check data as its cookbook would, digest it, and give it a name. Status 1 if some of it is unusable."""
    from blut_assets.datasets import DatasetError

    datasets, store = _opened(write=True)
    chosen = _kind(kind, path)
    try:
        dataset, found = _looked(name, path, chosen, store)
        if found.n_problems and not accept:
            lines = [
                *found.problems[:SHOWN],
                *_more(found),
                f"{name!r} was not added: mend it, or --accept-bad",
            ]
            failed("\n".join(lines))
        same = [one.name for one in datasets.all() if one.digest == dataset.digest and one.name != name]
        datasets.add(dataset, replace=replace)
    except DatasetError as error:
        wrong(str(error))
    if same:
        typer.echo(f"the same bytes are also called {', '.join(same)}", err=True)
    if as_json:
        print_json(dataset.as_dict())
    else:
        typer.echo(columns([_row(dataset)]))


def _more(found: "Inspection") -> list[str]:
    left = found.n_problems - min(SHOWN, len(found.problems))
    return [f"… and {left} more"] if left else []


@app.command("show")
def show(name: Dataset_, as_json: AsJson = False) -> None:
    """Show what is known of a dataset, as it was when it was added, and what its cookbook says of it now."""
    one = _named(name)
    tables = _tables(one)
    if as_json:
        print_json({**one.as_dict(), **{title: [*rows] for title, rows in tables.items()}})
    else:
        facts = {
            **one.as_dict(),
            "counts": numbers(one.counts),
            "added": ago(one.added),
            "in args": f"data://{name}",
        }
        typer.echo(columns([{"": key, "value": value} for key, value in facts.items()]))
        for title, rows in tables.items():
            more = f"\n… and {len(rows) - SHOWN} more (--json has all)" if len(rows) > SHOWN else ""
            typer.echo(f"\n{title}: {len(rows)}\n{columns([*rows[:SHOWN]])}{more}")


def _tables(one: "Dataset") -> "Mapping[str, Sequence[Mapping[str, Any]]]":
    kind, path = _kind(one.kind, Path(one.path)), Path(one.path)
    return kind.tables(path) if kind.tables and path.exists() else {}


@app.command("check")
def check(name: Dataset_, as_json: AsJson = False) -> None:
    """Look at a dataset again. Status 1 if it is gone, has changed, or some of it cannot be used."""
    from blut_assets.datasets import DatasetError

    one = _named(name)
    _, store = _opened()
    changed, problems = "", []
    try:
        now, found = _looked(name, Path(one.path), _kind(one.kind, Path(one.path)), store)
        problems = [*found.problems[:SHOWN], *_more(found)]
        if now.digest != one.digest:
            was, is_ = (f"{x.n_files} files, {size(x.n_bytes)}, {x.digest[:12]}" for x in (one, now))
            again = f"`blut data add {name} {one.path} --replace` takes it as it is"
            changed = f"{one.path} has changed: it was {was}, and is {is_}; {again}"
    except DatasetError as error:
        changed = str(error)
    if as_json:
        print_json({"name": name, "unchanged": not changed, "why": changed, "problems": problems})
    else:
        said = [*problems, changed] if changed else [*problems, f"{name}: unchanged"]
        typer.echo("\n".join(said))
    raise typer.Exit(1 if changed or problems else 0)


@app.command("rm")
def remove(name: Dataset_) -> None:
    """Forget a dataset; its files stay where they are."""
    from blut_assets.datasets import DatasetError

    datasets, _ = _opened()
    try:
        gone = datasets.remove(name)
    except DatasetError as error:
        wrong(str(error))
    typer.echo(f"{name} is forgotten; its files are still in {gone.path}")


def _opened(*, write: bool = False) -> "tuple[Datasets, ArtifactStore]":
    from blut_assets.datasets import Datasets
    from blut_resources.instance.instance import home_of, open_instance, store_of

    with open_instance(write=write) as instance:
        return Datasets(home_of(instance)), store_of(instance)


def _named(name: str) -> "Dataset":
    from blut_assets.datasets import DatasetError

    try:
        return _opened()[0].get(name)
    except DatasetError as error:
        wrong(str(error))


def _kind(name: str, path: Path) -> "DataKind":
    from blut_assets.datasets import FILES, guess
    from blut_assets.definitions import discovered

    kinds = [kind for cookbook in discovered.cookbooks for kind in cookbook.data]
    known = {kind.name: kind for kind in [*kinds, FILES]}
    if name and name not in known:
        rows = [{"kind": one.name, "what": one.description} for one in known.values()]
        wrong(f"--kind {name}: there are\n{columns(rows)}")
    return known[name] if name else guess(path, kinds) or FILES


def _looked(name: str, path: Path, kind: "DataKind", store: "ArtifactStore") -> "tuple[Dataset, Inspection]":
    from blut_assets.datasets import look_at
    from blut_assets.terminal.longwork import LongWork, shown
    from blut_resources.files.digest import heard_hashing

    work = LongWork(f"checking {name}")
    with shown(work.line), heard_hashing(work):
        return look_at(name, path, kind, store)
