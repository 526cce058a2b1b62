"""Reads what a stage function takes and leaves from its annotations."""

import inspect
import typing
from collections.abc import Callable, Generator
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.deployment import RESOURCES as DEPLOYMENT
from blut_assets.stages.partitions import element_of
from blut_assets.stages.spec import StageConfig

RESOURCES = (dg.ConfigurableResource, dg.ConfigurableIOManagerFactory, dg.PipesClient, dg.ResourceDefinition)
"""What is a resource by its class; anything else is one if it is annotated with ``dg.ResourceParam``."""
IS_RESOURCE = typing.get_args(dg.ResourceParam[int])[1]


class Signature(typing.NamedTuple):
    """Describes a stage function: its inputs, those of them that take several partitions, and the rest."""

    inputs: dict[str, type[Artifact]]
    several: frozenset[str]
    resources: dict[str, Any]
    config: type[StageConfig]
    output: type[Artifact]


def signature_of(function: Callable[..., Any]) -> Signature:
    """Returns what a stage function takes after its stage, in whatever order, and the artifact it leaves.

    Raises:
        TypeError: a parameter is neither an artifact, artifacts by partition, a config nor a resource, or
            what is returned is not an artifact.
    """
    where = f"stage function {function.__qualname__}"
    hints = typing.get_type_hints(function, include_extras=True)
    output = hints.pop("return", None)
    if typing.get_origin(output) is Generator or inspect.isgeneratorfunction(function):
        output = (typing.get_args(output) or (None,))[-1]
    if not (inspect.isclass(output) and issubclass(output, Artifact)):
        raise TypeError(f"{where}: the return annotation {output!r} is not an Artifact")
    found = Signature({}, frozenset(), {}, StageConfig, output)
    for name in list(inspect.signature(function).parameters)[1:]:
        hint = hints.get(name)
        if resource := _resource(hint):
            _refuse_other_name(where, name, hint)
            found.resources[name] = resource
        elif inspect.isclass(hint) and issubclass(hint, StageConfig):
            if name != "config":
                raise TypeError(f"{where}: parameter {name!r} is a {hint.__name__}: call it `config`")
            found = found._replace(config=hint)
        elif (kind := (taken := element_of(hint))[0]) is not None:
            found.inputs[name] = kind
            found = found._replace(several=found.several | {name}) if taken[1] else found
        else:
            raise TypeError(
                f"{where}: parameter {name!r}: {hint!r} is neither an Artifact, a dict[str, Artifact]"
                " of partitions, a StageConfig, nor a resource (a ConfigurableResource, or annotated with"
                " dg.ResourceParam)"
            )
    return found


def _resource(hint: Any) -> Any:
    """Returns the annotation by which Dagster knows a resource; None for anything else."""
    if IS_RESOURCE in getattr(hint, "__metadata__", ()):
        return hint
    return dg.ResourceParam[hint] if inspect.isclass(hint) and issubclass(hint, RESOURCES) else None


def _refuse_other_name(where: str, name: str, hint: Any) -> None:
    """Refuse a resource of Blut's under a name that is not its key: nobody would give it."""
    for key, kind in DEPLOYMENT.items():
        if inspect.isclass(hint) and issubclass(hint, kind) and name != key:
            raise TypeError(f"{where}: parameter {name!r} is a {kind.__name__}: call it `{key}`")
