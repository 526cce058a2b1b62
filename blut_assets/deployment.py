"""Gives what differs from one deployment to the next as resources of Dagster's.

Each field stands in the place of an environment variable: one that is empty leaves it to the variable, and
to the home if there is none. No fingerprint sees any of them.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field, PrivateAttr

from blut_resources.containment.asked import CONTAINED, contained
from blut_resources.containment.limits import Limits
from blut_resources.files.durable import StoreError
from blut_resources.instance.home import store_root
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.records import GOVERNED_ALIASES, governed_aliases
from blut_resources.runs.tracking import LOGGER, chosen_logger
from blut_resources.settings import Setting, Settings, declared, in_force, settings
from blut_resources.store.artifacts import ArtifactStore


class UnsetVariable(StoreError):
    """Says that a resource names a variable that is not set: another store would be taken in silence."""


class Deployed(dg.ConfigurableResource):
    """Says a part of what a deployment is; ``VARIABLES`` has the variable of each field."""

    VARIABLES: ClassVar[Mapping[str, str]] = {}
    _instance: Any = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the instance."""
        self._instance = context.instance

    @classmethod
    def check(cls) -> None:
        """Refuse what is in force and cannot be meant."""

    @classmethod
    def said(cls, config: Mapping[str, Any]) -> Settings:
        """Returns the variables in whose place fields stand, from the config of the resource.

        Raises:
            UnsetVariable: a field is an EnvVar of a variable that is not set.
        """
        found: dict[str, Setting] = {}
        for name, variable in cls.VARIABLES.items():
            value, by = config.get(name), f"{cls.__name__}.{name}"
            if isinstance(value, Mapping):  # an EnvVar, as Dagster keeps it
                named = value["env"]
                value, told = os.environ.get(named), f"{by} is what ${named} says, and that is not set"
                if value is None and named != variable:
                    raise UnsetVariable(f"{told}: set it, or leave the field empty for what ${variable} says")
                by = f"${named}"
            if value not in (None, ""):
                found[variable] = Setting(str(value), by)
        return found


class BlutStore(Deployed):
    """Says where artifacts lie; `store` opens them."""

    VARIABLES: ClassVar[Mapping[str, str]] = {"root": "BLUT_STORE"}

    root: str = Field(default="", description="Directory of the artifact store; empty: `store` in the home")

    @property
    def store(self) -> ArtifactStore:
        """Returns the artifact store."""
        return store_of(self._instance)

    @classmethod
    def check(cls) -> None:
        """Refuse a relative path."""
        store_root(Path("/"))


class BlutRegistry(Deployed):
    """Says how models are governed."""

    VARIABLES: ClassVar[Mapping[str, str]] = {"governed_aliases": GOVERNED_ALIASES}

    governed_aliases: str = Field(
        default="", description="Aliases besides `prod` that are governed whatever the model, with commas"
    )

    @property
    def models(self) -> ModelRegistry:
        """Returns the registry, which is a part of the artifact store."""
        return ModelRegistry(store_of(self._instance).root / "registry")

    @classmethod
    def check(cls) -> None:
        """Refuse what is not an alias."""
        governed_aliases()


class BlutTracker(Deployed):
    """Says where metrics of trainings go besides."""

    VARIABLES: ClassVar[Mapping[str, str]] = {
        "logger": LOGGER,
        "wandb_mode": "WANDB_MODE",
        "wandb_project": "WANDB_PROJECT",
    }

    logger: str = Field(default="", description="`none` or `wandb`; a recipe's argument `logger` wins")
    wandb_mode: str = Field(default="", description="`offline` (if empty), `online`, or what wandb knows")
    wandb_project: str = Field(default="", description="Project in Weights & Biases; empty: `blut`")

    @classmethod
    def check(cls) -> None:
        """Refuse a tracker that there is not."""
        chosen_logger()


class BlutContainment(Deployed):
    """Says what payloads may use here, and what holds them."""

    VARIABLES: ClassVar[Mapping[str, str]] = {
        "backend": "BLUT_CONTAINMENT",
        "mode": "BLUT_CONTAINMENT_MODE",
        "contained": CONTAINED,
        "memory_max": "BLUT_MEMORY_MAX",
        "wall_clock": "BLUT_WALL_CLOCK",
        "systemd_manager": "BLUT_SYSTEMD_MANAGER",
    }

    backend: str = Field(default="", description="`auto`, `systemd`, `cgroup2`, `cgroup1`, `rlimit`, `none`")
    mode: str = Field(default="", description="`required` or `best-effort`")
    contained: str = Field(
        default="", description="`1`: each payload gets an enforced memory limit; `0`: none is contained"
    )
    memory_max: str = Field(default="", description="Memory of a payload's process tree, such as `44G`")
    wall_clock: str = Field(default="", description="Time until a payload is stopped, such as `12h`")
    systemd_manager: str = Field(default="", description="`system` or `user`")

    @classmethod
    def check(cls) -> None:
        """Refuse limits that make no sense."""
        contained(settings())
        Limits.resolve({}, settings(), {})


RESOURCES: Mapping[str, type[Deployed]] = {
    "blut_store": BlutStore,
    "blut_registry": BlutRegistry,
    "blut_tracker": BlutTracker,
    "blut_containment": BlutContainment,
}
"""Resource keys, and what is found there."""
OFFERED: dict[str, Any] = {}
"""What the definitions of this process have, by key."""


def deployment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the four resources: what is given of them, and what the environment says of the others.

    Raises:
        TypeError: something else is given under one of the keys.
        ValueError: a field is not what it can be; the message has the field, its value and the remedy.
    """
    for key, one in given.items():
        if key in RESOURCES and not isinstance(one, RESOURCES[key]):
            name = RESOURCES[key].__name__
            raise TypeError(f"resource {key}: a {type(one).__name__}, and must be a blut_assets.{name}")
    mine = {key: one for key, one in given.items() if key in RESOURCES}
    with (
        suppress(UnsetVariable),
        in_force(_of_definitions({key: one.get_resource_definition() for key, one in mine.items()}, {})),
    ):
        for key in mine:
            RESOURCES[key].check()
    return {key: mine.get(key) or _from_environment(kind) for key, kind in RESOURCES.items()}


def _from_environment(kind: type[Deployed]) -> Deployed:
    """Returns one that says what the environment says, and shows in the UI from where."""
    return _saying(kind, frozenset(name for name, v in kind.VARIABLES.items() if os.environ.get(v)))


@cache
def _saying(kind: type[Deployed], fields: frozenset[str]) -> Deployed:
    """Returns always the same one: Dagster merges definitions only if they have the same resources."""
    return kind(**{name: dg.EnvVar(kind.VARIABLES[name]) for name in fields})


def declare(resources: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Have resources count in this process also outside of runs: in its sensors, plans, checks and commands.

    Args:
        resources: all that definitions have.
        given: those of them that somebody gave, where the environment would say it otherwise.
    """
    mine = {key: one.get_resource_definition() for key, one in given.items() if key in RESOURCES}
    declared[:] = [lambda: _of_definitions(mine, {})] if mine else []
    OFFERED.clear()
    OFFERED.update(resources)


@contextmanager
def lent(keys: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """Yields resources for what is asked outside of a run, by key; none where one of them is not known."""
    if not keys or not OFFERED.keys() >= set(keys):
        yield {}
        return
    with dg.build_resources({key: OFFERED[key] for key in keys}) as built:
        yield {key: getattr(built, key) for key in keys}


@contextmanager
def deployed(context: Any) -> Iterator[None]:
    """Have the resources of a run count while a step of it works, whoever built its definitions.

    Args:
        context: of an asset, an op or an asset check.
    """
    config = context.run.run_config
    told = config.get("resources", {}) if isinstance(config, Mapping) else {}
    said = _of_definitions(context.job_def.resource_defs, told if isinstance(told, Mapping) else {})
    with in_force({**(declared[-1]() if declared else {}), **said}):
        yield


def _of_definitions(defs: Mapping[str, Any], told: Mapping[str, Any]) -> Settings:
    found: dict[str, Setting] = {}
    for key, kind in RESOURCES.items():
        cls = getattr(defs.get(key), "configurable_resource_cls", None)
        if cls is not None and issubclass(cls, kind):
            field = defs[key].config_schema
            default = field.default_value if field.default_provided else {}
            found |= kind.said({**default, **told.get(key, {}).get("config", {})})
    return found
