"""Tells what each artifact was made of, and what was made of it.

The event log knows the runs that are there still; the store's notes know the results of deleted ones too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.history.known import KnownHistory
from blut_assets.stages import reuse
from blut_resources.instance.instance import home_of


class MadeArtifact(NamedTuple):
    """Describes one way in which an artifact came to be.

    ``run_id`` is the run that computed it, not one that reused it; ``at`` is in seconds since 1970.
    ``inputs`` are digests by parameter name; ``settings`` are those of its config that can change the result.
    ``looked_up`` are the names of inputs that need not be artifacts, such as a program of the user's own.
    ``elsewhere`` says whose history the run is in, where it is not in this one.
    """

    digest: str
    asset: str
    run_id: str
    at: float
    seconds: float | None
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    looked_up: frozenset[str] = frozenset()
    elsewhere: str = ""


class Lineage:
    """Tells of every artifact of an instance what it was made of; the history is read once."""

    def __init__(self, instance: dg.DagsterInstance, known: KnownHistory | None = None) -> None:
        """Read the history, unless ``known`` has."""
        ways: dict[str, dict[str, MadeArtifact]] = {}
        for made in sorted(_every(instance, known or KnownHistory(instance)), key=lambda made: made.at):
            # the same bytes, made of the same by a later run, are no other way
            way = repr([made.asset, sorted(made.inputs.items()), sorted(made.settings.items())])
            ways.setdefault(made.digest, {}).setdefault(way, made)
        self._ways = {digest: list(found.values()) for digest, found in ways.items()}
        self._uses: dict[str, list[tuple[str, MadeArtifact]]] = {}
        for found in self._ways.values():
            for made in found:
                for name, digest in made.inputs.items():
                    self._uses.setdefault(digest, []).append((name, made))

    def ways(self, digest: str) -> list[MadeArtifact]:
        """Returns the different ways in which it was made, the newest first; none where nothing is known."""
        return sorted(self._ways.get(digest, ()), key=lambda made: made.at, reverse=True)

    def uses(self, digest: str) -> list[tuple[str, MadeArtifact]]:
        """Returns what was made of it, the oldest first, each with the name of the input that it was."""
        return sorted(self._uses.get(digest, ()), key=lambda use: use[1].at)

    def known(self) -> set[str]:
        """Returns the digests of all that was made, and of what it was made of."""
        return {*self._ways, *self._uses}

    def above(self, digest: str) -> list[str]:
        """Returns it and what it was made of, up to the sources; each digest once."""
        return _reached(digest, lambda one: (up for way in self.ways(one) for up in way.inputs.values()))

    def below(self, digest: str) -> list[str]:
        """Returns it and what was made of it, down to the last results; each digest once."""
        return _reached(digest, lambda one: (made.digest for _, made in self.uses(one)))


def _every(instance: dg.DagsterInstance, known: KnownHistory) -> Iterator[MadeArtifact]:
    """Yields all results; one that was reused has the time of that, and the run that computed it."""
    for record in known.logged:
        event = record.asset_materialization
        if event and reuse.digest_of(event):
            elsewhere = reuse.word_of(event, reuse.MADE_BY)
            yield _made(event, reuse.Hit(event, record.run_id).origin, record.timestamp, elsewhere)
    home = str(home_of(instance))
    for noted in known.noted:
        words = noted.made.words() if noted.made.home != home else ""
        yield _made(noted.event, noted.run_id, noted.at, words)


def _made(event: dg.AssetMaterialization, run_id: str, at: float, elsewhere: str) -> MadeArtifact:
    spec, seconds = reuse.spec_of_event(event), _value(event, reuse.SECONDS)
    return MadeArtifact(
        digest=reuse.digest_of(event),
        asset=event.asset_key.to_user_string(),
        run_id=run_id,
        at=at,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        settings=spec.get("config", {}),
        inputs=reuse.inputs_of(event),
        looked_up=frozenset(spec.get(reuse.LOOKED_UP, ())),
        elsewhere=elsewhere,
    )


def _value(event: dg.AssetMaterialization, name: str) -> Any:
    return getattr(event.metadata.get(name), "value", None)


def _reached(start: str, onward: Callable[[str], Iterable[str]]) -> list[str]:
    """Returns what is reached from ``start``, depth first."""
    found: dict[str, None] = {}
    todo = [start]
    while todo:
        digest = todo.pop()
        if digest not in found:
            found[digest] = None
            todo += reversed([*onward(digest)])
    return [*found]
