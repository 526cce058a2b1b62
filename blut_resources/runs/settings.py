"""Tells with which settings a run was started: those in its config, or the args that its job has fixed.

A job with fixed args has the config of each asset as its default, and whoever launches it may give none at
all. So its args go along as tags. They are believed as long as nobody gave the run another config.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from blut_resources.files.digest import digest_bytes

ARGS_TAG, CONFIG_TAG = "blut/args", "blut/args_config"
LONGEST = 1000
"""Characters in one tag: Postgres has an index over values, which takes no longer ones than 2.7 kB."""


def fixed_tags(args: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags of the runs of a job with fixed args.

    Args:
        args: of the recipe, as plain values.
        config: what Dagster's run config of the job is, of these args.
    """
    text = json.dumps(args, sort_keys=True, separators=(",", ":"))
    parts = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
    named = {_name(number): part for number, part in enumerate(parts)}
    return {**named, CONFIG_TAG: _digest(config)}


def fixed_args(config: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any] | None:
    """Returns the args that the job of a run has fixed; None where it has none, or where the run was given
    another config, which no args stand for.
    """
    if ARGS_TAG not in tags or (config.get("ops") and _digest(config) != tags.get(CONFIG_TAG)):
        return None
    return json.loads("".join(_parts(tags)))


def outdated(config: Mapping[str, Any], tags: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """Returns the tags that tell the args of a run anew, where its job has other ones by now.

    A run without a config of its own takes that of its job when it starts: one that waited in a queue, or was
    launched again from the UI with the tags of an earlier one, may find another.

    Args:
        tags: those of the run.
        said: those of its job.
    """
    if config.get("ops") or ARGS_TAG not in said:
        return {}
    names = {name for name in (*tags, *said) if name.startswith(ARGS_TAG)}
    return {name: said.get(name, "") for name in names if tags.get(name) != said.get(name, "")}


def settings_of(config: Mapping[str, Any], tags: Mapping[str, str]) -> Mapping[str, Any]:
    """Returns what a run was told: the args that its job has fixed, or else its own config."""
    fixed = fixed_args(config, tags)
    return config if fixed is None else fixed


def _name(number: int) -> str:
    return f"{ARGS_TAG}.{number}" if number else ARGS_TAG


def _parts(tags: Mapping[str, str]) -> Iterator[str]:
    number = 0
    while (part := tags.get(_name(number))) is not None:
        yield part
        number += 1


def _digest(config: Mapping[str, Any]) -> str:
    """Returns a digest of the config of the assets; 1.0 is 1, as a browser writes it."""
    text = json.dumps(_plain(config.get("ops", {})), sort_keys=True)
    return digest_bytes(text.encode())[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
