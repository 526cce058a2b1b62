"""Tells what a run is for, and which experiment it belongs to, by what it was started with."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from blut_resources.files.digest import digest_bytes

INTENTS = ("smoke", "probe", "campaign")
INTENT_TAG, EXPERIMENT_TAG, RECIPE_TAG = "blut/intent", "blut/experiment", "blut/recipe"
INTENT, EXPERIMENT = "BLUT_INTENT", "BLUT_EXPERIMENT"
UNATTENDED = (
    *("dagster/backfill", "dagster/sensor_name", "dagster/schedule_name"),
    *("dagster/auto_materialize", "dagster/asset_evaluation_id"),
)
"""Tags of runs that no person started by hand."""
REPEATS = frozenset(
    {"seed", "reuse", "limits", "resume", "threads", "workers", "logger", "retries", "deadline"}
)
"""Settings in which two runs of one experiment may differ."""


@dataclass(frozen=True)
class Intents:
    """Says by which settings of a cookbook its runs tell what they are for.

    Attributes:
        smoke: setting -> the values with which a run only tries whether it works; a text that ends in ``*``
            stands for all that begin so.
        small: setting -> the number up to which it does.
        names: settings that give the result a name for others to use.
    """

    smoke: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    small: Mapping[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def is_smoke(self, name: str, value: Any) -> bool:
        """Says whether one setting says so."""
        if name in self.small and isinstance(value, int):
            return value <= self.small[name]
        return any(
            value == one or (str(one).endswith("*") and str(value).startswith(one[:-1]))
            for one in self.smoke.get(name, ())
        )


declared: list[Intents] = []
"""Those of the cookbooks of this process; `blut_assets.definitions` fills it."""


def intent_of(config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Returns ``smoke``: does it work; ``probe``: a look by hand; ``campaign``: meant to be used.

    The tag ``blut/intent`` and $BLUT_INTENT go before what is told from the settings that cookbooks have
    declared; a run that nobody started by hand is a campaign.
    """
    said = tags.get(INTENT_TAG) or os.environ.get(INTENT)
    if said in INTENTS:
        return said
    settings = list(leaves(config))
    if any(intents.is_smoke(name, value) for intents in declared for name, value in settings):
        return "smoke"
    named = any(value and name in intents.names for intents in declared for name, value in settings)
    return "campaign" if named or any(tag in tags for tag in UNATTENDED) else "probe"


def experiment_of(job: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Returns the tag ``blut/experiment`` or $BLUT_EXPERIMENT;
    else the recipe and a word for its settings.

    Runs that differ in their seed, or in how they compute, are of one experiment.
    """
    said = tags.get(EXPERIMENT_TAG) or os.environ.get(EXPERIMENT)
    if said:
        return said
    settings = sorted((name, repr(value)) for name, value in leaves(config) if name not in REPEATS)
    return f"{tags.get(RECIPE_TAG) or job}-{digest_bytes(repr(settings).encode())[:6]}"


def seed_of(config: Mapping[str, Any]) -> int | None:
    """Returns the first seed that the settings name."""
    return next((v for name, v in leaves(config) if name == "seed" and isinstance(v, int)), None)


def leaves(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields every setting with its name, however deep; of ``limits`` none."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value) if name not in REPEATS else ()
        else:
            yield name, value
