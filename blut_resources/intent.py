"""What a run is for, and which experiment it belongs to, told from what it was started with."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from blut_resources.digest import digest_bytes

INTENTS = ("smoke", "probe", "campaign")
INTENT_TAG, EXPERIMENT_TAG, RECIPE_TAG = "blut/intent", "blut/experiment", "blut/recipe"
INTENT, EXPERIMENT = "BLUT_INTENT", "BLUT_EXPERIMENT"
UNATTENDED = (
    *("dagster/backfill", "dagster/sensor_name", "dagster/schedule_name"),
    *("dagster/auto_materialize", "dagster/asset_evaluation_id"),
)
"""Tags of runs that no person started by hand."""
ENDS_UP = ("promote_as", "register_as", "alias")
"""Settings that give the result a name for others to use."""
REPEATS = frozenset({"seed", "reuse", "limits", "resume", "threads", "workers", "logger"})
"""Settings in which two runs of one experiment may differ."""


def intent_of(config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """``smoke``: does it work; ``probe``: a look by hand; ``campaign``: meant to be used.

    The tag ``blut/intent`` and $BLUT_INTENT go before what is told from the settings: a preset called smoke,
    one or a few steps, or made-up data make it a smoke test; a result that is to be promoted, or a run that
    nobody started by hand, a campaign.
    """
    said = tags.get(INTENT_TAG) or os.environ.get(INTENT)
    if said in INTENTS:
        return said
    if any(_is_small(name, value) for name, value in leaves(config)):
        return "smoke"
    named = any(name in ENDS_UP and value for name, value in leaves(config))
    return "campaign" if named or any(tag in tags for tag in UNATTENDED) else "probe"


def experiment_of(job: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """The tag ``blut/experiment`` or $BLUT_EXPERIMENT; else the recipe and a word for its settings.

    Runs that differ in their seed, or in how they compute, are of one experiment.
    """
    said = tags.get(EXPERIMENT_TAG) or os.environ.get(EXPERIMENT)
    if said:
        return said
    settings = sorted((name, repr(value)) for name, value in leaves(config) if name not in REPEATS)
    return f"{tags.get(RECIPE_TAG) or job}-{digest_bytes(repr(settings).encode())[:6]}"


def seed_of(config: Mapping[str, Any]) -> int | None:
    """The first seed that the settings name."""
    return next((v for name, v in leaves(config) if name == "seed" and isinstance(v, int)), None)


def leaves(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting with its name, however deep; of ``limits`` none."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value) if name not in REPEATS else ()
        else:
            yield name, value


def _is_small(name: str, value: Any) -> bool:
    if name == "max_steps":
        return isinstance(value, int) and value <= 10
    return (name == "preset" and value == "smoke") or str(value).startswith("synthetic:")
