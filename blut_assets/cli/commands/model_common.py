"""Shares between the commands of `blut model`: the registry, the names they take, how they refuse."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from blut_assets.cli.shell import completion
from blut_assets.terminal.output import failed, wrong
from blut_resources.registry.log import version_of
from blut_resources.registry.models import Entry, ModelRegistry, Registration, RegistryError
from blut_resources.registry.retirement import RetirementRefused, VersionRetired
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import ArtifactStore, StoreError
from blut_resources.text import meant

NAME = "Of a registered model; see `blut model list`."
Alias = Annotated[
    str,
    typer.Argument(metavar="NAME@ALIAS", help="Such as mine@prod.", autocompletion=completion.complete_alias),
]
AliasOrVersion = Annotated[
    str,
    typer.Argument(
        metavar="NAME@ALIAS|NAME@VERSION",
        help="Such as mine@prod or mine@3.",
        autocompletion=completion.complete_reference,
    ),
]
By = Annotated[str, typer.Option("--by", help="Who does it; the user of this shell if not given.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the history.")]
F = TypeVar("F", bound=Callable[..., None])


def explained(command: F) -> F:
    """End a refusal with status 1, a name that is unknown or malformed with 2; either on standard error."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (PromotionRefused, RetirementRefused, VersionRetired, StoreError) as error:
            failed(str(error))
        except RegistryError as error:
            wrong(str(error))

    return run  # type: ignore[return-value]


@contextmanager
def opened(*, write: bool = False) -> Iterator[tuple[ModelRegistry, ArtifactStore]]:
    """Open the registry and the store of this checkout's or user's instance, to be read or to be changed."""
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=write) as instance:
        store = store_of(instance)
        yield ModelRegistry(store.root / "registry"), store


def version_or_entry(registry: ModelRegistry, name: str) -> Registration | Entry:
    """Returns a version; or what an alias stands for that was promoted before candidates had versions."""
    if version_of(name) is None:
        entry = registry.entry(name)
        versions = registry.registrations(entry.name)
        if not entry.version and all(record.candidate != entry.candidate for record in versions):
            return entry
    return registry.registration(name, retired=True)


def no_such_model(registry: ModelRegistry, name: str) -> RegistryError:
    """Returns the error that names the models that there are, and the nearest."""
    known = ", ".join(registry.names()) or "none"
    return RegistryError(f"no model is called {name!r}{meant(name, registry.names())}; there are: {known}")
