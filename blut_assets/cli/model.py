"""`blut model`: what is registered, which names stand for it, and moving them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from blut_assets.cli import completion
from blut_assets.cli.output import AsJson, columns, failed, listing, print_json, size, wrong
from blut_assets.gates import PromotionRefused
from blut_resources.registry import Entry, ModelRegistry, Registration, RegistryError, governed_aliases
from blut_resources.registry_log import parted
from blut_resources.registry_retirement import Retirement, RetirementRefused, VersionRetired
from blut_resources.store import ArtifactStore, StoreError

app = typer.Typer(help="Registered models: versions, aliases, promotion.", no_args_is_help=True)

NAME = "Of a registered model; see `blut model list`."
Alias = Annotated[
    str,
    typer.Argument(metavar="NAME@ALIAS", help="Such as mine@prod.", autocompletion=completion.complete_alias),
]
SHORT = 12
F = TypeVar("F", bound=Callable[..., None])


def explained(command: F) -> F:
    """A refusal ends with status 1, a name that is unknown or malformed with 2; either on standard error."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (PromotionRefused, RetirementRefused, VersionRetired, StoreError) as error:
            failed(str(error))
        except RegistryError as error:
            wrong(str(error))

    return run  # type: ignore[return-value]


@app.command("list")
@explained
def list_models(as_json: AsJson = False) -> None:
    """List the models: versions, how many of them are retired, newest registration, aliases."""
    with _opened() as (registry, _):
        rows = [_summary(registry, name) for name in registry.names()]
    listing(rows, as_json, "no models: the recipes that end in a GGUF register one")


@app.command()
@explained
def show(
    name: Annotated[str, typer.Argument(help=NAME, autocompletion=completion.complete_model_or_reference)],
    as_json: AsJson = False,
) -> None:
    """Show a model's versions, or everything about one: NAME, NAME@ALIAS or NAME@VERSION."""
    with _opened() as (registry, _):
        if "@" in name:
            record = registry.registration(name, retired=True)
            if as_json:
                print_json(_as_json(registry, record))
            else:
                print(_story(registry, record))
            return
        records = list(registry.versions(name).values())
        if not records and not registry.history(name):
            raise RegistryError(f"no model is called {name!r}; there are: {_known(registry)}")
        rows = [_version(registry, record) for record in records]
        whole = [_as_json(registry, record) for record in records]
    if as_json:
        print_json(whole)
    else:
        print(columns(rows) if rows else f"{name} has no versions; `blut model history {name}`")


@app.command()
@explained
def resolve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME@ALIAS|NAME@VERSION",
            help="Such as mine@prod or mine@3.",
            autocompletion=completion.complete_reference,
        ),
    ],
    role: Annotated[
        str, typer.Option(help="What of it: candidate (the GGUF), merged, evaluation, checkpoint, ...")
    ] = "candidate",
    path: Annotated[bool, typer.Option("--path", help="Print where its checked bytes are.")] = False,
) -> None:
    """Print the digest that a name stands for."""
    with _opened() as (registry, store):
        digest = _digest(registry, model, role)
        print(store.open(digest) if path else digest)


@app.command()
@explained
def promote(
    model: Alias,
    version: Annotated[int, typer.Option(help="The registered version that it is to stand for.")],
) -> None:
    """Let a name stand for a version; a governed alias takes one with a passing verdict."""
    with _opened() as (registry, store):
        name, alias = parted(model)
        entry, is_new = registry.promote_version(name, alias, version, store)
    judged = "which passed" if entry.verdict else "unjudged: the alias is not governed"
    print(f"{entry.model} stands for version {version}, {judged}{'' if is_new else ', as before'}")


@app.command()
@explained
def rollback(model: Alias) -> None:
    """Let a name stand for what it stood for before its last promotion."""
    with _opened() as (registry, _):
        entry = registry.rollback(*parted(model))
    print(f"{entry.model} stands for {_target(entry)} again")


@app.command()
@explained
def drop(model: Alias) -> None:
    """Take a name away, also a governed one: it stands for nothing any more.

    What it stood for stays as long as it is a version that was not retired; the history stays in any case.
    """
    with _opened() as (registry, _):
        entry, is_new = registry.drop(*parted(model))
    print(f"{entry.model} stands for nothing{'' if is_new else ', as before'}; it stood for {_target(entry)}")


@app.command()
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

    A registered version keeps its GGUF and all that it was made of, the merged model in float32 included.
    It stays in the history, and the same GGUF registered again is in use again.
    """
    from blut_assets.retention import freed_by_retiring
    from blut_resources.instance import open_instance, store_of

    with open_instance() as instance:
        registry = ModelRegistry(store_of(instance).root / "registry")
        record = registry.retirable(model)
        freed = freed_by_retiring(instance, record)
        told, is_new = _retired(registry, record, dry_run)
    print(f"{record.model} {told}{'' if is_new else ', as before'}")
    if is_new and freed:
        then = "would then free" if dry_run else "now frees"
        print(f"`blut cache prune` {then} {size(freed)} more, when it was not used for an hour")
    elif is_new:
        print("`blut cache prune` frees nothing more: newest results, or another version, need all of it")


@app.command()
@explained
def history(
    name: Annotated[str, typer.Argument(help=NAME, autocompletion=completion.complete_model)],
    as_json: AsJson = False,
) -> None:
    """Print every registration, promotion, rollback, drop and retirement of a model, oldest first."""
    with _opened() as (registry, _):
        records: list[Registration | Entry | Retirement] = [
            *registry.registrations(name),
            *registry.history(name),
            *registry.retirements(name),
        ]
        if not records:
            raise RegistryError(f"no model is called {name!r}; there are: {_known(registry)}")
    records.sort(key=lambda record: record.at)
    if as_json:
        print_json([_event(record) | record.model_dump(mode="json") for record in records])
    else:
        print(columns([_event(record) for record in records]))


@contextmanager
def _opened() -> Iterator[tuple[ModelRegistry, ArtifactStore]]:
    from blut_resources.instance import open_instance, store_of

    with open_instance() as instance:
        store = store_of(instance)
        yield ModelRegistry(store.root / "registry"), store


def _summary(registry: ModelRegistry, name: str) -> dict[str, Any]:
    records, retired = registry.versions(name), registry.retired(name)
    newest = records[max(records)] if records else None
    return {
        "name": name,
        "versions": len(records),
        "retired": len(retired),
        "newest": f"{newest.version}, {_passed(newest)}, {newest.at[:19]}" if newest else "-",
        "aliases": ", ".join(_aliases(registry, name)) or "-",
    }


def _aliases(registry: ModelRegistry, name: str) -> list[str]:
    governed = governed_aliases()
    aliases = registry.aliases(name).items()
    unjudged = {alias for alias, entry in aliases if alias in governed and not entry.verdict}
    return [
        f"{alias} -> {_target(entry)}{' (governed, not judged)' if alias in unjudged else ''}"
        for alias, entry in aliases
    ]


def _target(entry: Entry) -> str:
    return f"version {entry.version}" if entry.version else entry.candidate[:SHORT]


def _version(registry: ModelRegistry, record: Registration) -> dict[str, str]:
    names = [a for a, e in registry.aliases(record.name).items() if e.version == record.version]
    retirement = registry.retired(record.name).get(record.version)
    return {
        "version": str(record.version),
        "verdict": _passed(record),
        "aliases": ", ".join(names) or "-",
        "retired": f"by {retirement.by} on {retirement.at[:10]}" if retirement else "-",
        **{name: _figure(record, name) for name in ("kl", "loss_base", "loss_quantised")},
        "gguf": record.candidate[:SHORT],
        "licence": record.license,
        "registered": record.at[:19],
        "run": record.run[:8],
    }


def _as_json(registry: ModelRegistry, record: Registration) -> dict[str, Any]:
    retirement = registry.retired(record.name).get(record.version)
    gone = {"by": retirement.by, "at": retirement.at} if retirement else None
    return record.model_dump(mode="json") | {"retired": gone}


def _retired(registry: ModelRegistry, record: Registration, dry_run: bool) -> tuple[str, bool]:
    """What became of a version, or would; and whether that is new."""
    if dry_run and record.version not in registry.retired(record.name):
        return "would be retired", True
    retirement, is_new = registry.retire(record.model)
    return f"is {retirement.told}", is_new


def _figure(record: Registration, name: str) -> str:
    value = record.figures.get(name)
    return "-" if value is None else f"{value:.4g}"


def _story(registry: ModelRegistry, record: Registration) -> str:
    rows = [
        *_version(registry, record).items(),
        ("gguf", record.candidate),
        *((role, digest) for role, digest in record.inputs.items()),
        ("verdict digest", record.verdict),
        *((f"floor: {f.kind} {f.name}", f"{f.op} {f.floor:g}") for f in record.floors),
        *((f"measured: {name}", _figure(record, name)) for name in record.figures),
    ]
    return columns([{record.model: name, "": value} for name, value in dict(rows).items()])


def _event(record: Registration | Entry | Retirement) -> dict[str, str]:
    if isinstance(record, Retirement):
        what, detail = f"version {record.version}", f"by {record.by}"
        action, target = "retire", record.candidate
    elif isinstance(record, Registration):
        what, detail = f"version {record.version}", f"{_passed(record)}; run {record.run[:8]}"
        action, target = "register", record.candidate
    else:
        dropped = record.action == "drop"
        what = f"{record.alias} -> {'nothing' if dropped else _target(record)}"
        verdict = f"verdict {record.verdict[:SHORT]}" if record.verdict else "no verdict"
        detail = f"stood for {_target(record)}" if dropped else verdict
        action, target = record.action, record.candidate
    return {"at": record.at[:19], "action": action, "what": what, "digest": target[:SHORT], "detail": detail}


def _passed(record: Registration) -> str:
    return "passed" if record.passed else "failed"


def _digest(registry: ModelRegistry, model: str, role: str) -> str:
    if role == "candidate":
        return registry.resolve(model)
    inputs = registry.registration(model).inputs
    if role not in inputs:
        raise RegistryError(f"--role {role!r} is none of candidate, {', '.join(inputs)}")
    return inputs[role]


def _known(registry: ModelRegistry) -> str:
    return ", ".join(registry.names()) or "none"
