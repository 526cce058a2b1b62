"""Copies artifacts to the remote or from it, and shows how far it is."""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import typer

from blut_assets.cli.run.asked_for import Found
from blut_assets.terminal.longwork import LongWork, shown
from blut_assets.terminal.output import counted, duration, size
from blut_resources.files.durable import StoreError
from blut_resources.remote.tier import RemoteTier
from blut_resources.remote.words import RemoteDamaged, RemoteError, RemoteMissing
from blut_resources.screen import CLEAR, redraws
from blut_resources.store import results

Way = Literal["push", "pull"]
WORDS = {"there": "in the remote already", "here": "here already", "external": "stay where you keep them"}


class Copied(NamedTuple):
    """Says what became of one artifact; ``outcome`` is pushed, pulled, there, here, external or failed."""

    digest: str
    asset: str
    outcome: str
    bytes: int
    why: str = ""


class Transfer:
    """Copies one artifact after the other, and says of each what became of it.

    Attributes:
        done: what became of each.
    """

    def __init__(self, tier: RemoteTier) -> None:
        self._tier, self._total = tier, 0
        self._live = redraws(sys.stderr)
        self.done: list[Copied] = []
        self._began = time.monotonic()

    def copy(self, way: Way, artifacts: Found, *, dry_run: bool = False) -> None:
        """Copy artifacts one way, with the notes of what they are the results of.

        One that cannot be copied holds up no other.

        Raises:
            RemoteError: the remote refuses or does not answer, so that the others would fare alike.
        """
        self._total += len(artifacts)
        notes = _notes_here(self._tier) if way == "push" else _notes_there(self._tier)
        for digest, asset in artifacts.items():
            one = self._looked(way, digest, asset) if dry_run else self._copied(way, digest, asset)
            self.done.append(one)
            if not dry_run and one.outcome not in ("external", "failed"):
                for note in notes.get(digest, ()):
                    (self._tier.push_note if way == "push" else self._tier.pull_note)(note)
            self._say(one, dry_run)

    def _copied(self, way: Way, digest: str, asset: str) -> Copied:
        at = f"({len(self.done) + 1} of {self._total})"
        work = LongWork(f"{way} {digest[:12]} {asset or '-'} {at}")
        try:
            with shown(work.line):
                if way == "push":
                    work(0, self._tier.store.stored(digest).n_bytes)
                    sent = self._tier.push(digest, work)
                    outcome = "pushed" if sent == "sent" else sent
                else:
                    outcome = "here" if self._tier.store.has(digest) else "pulled"
                    if self._live:
                        work(0, self._tier.holds(digest) or 0)
                    self._tier.pull(digest, work)
            return Copied(digest, asset, outcome, self._tier.store.stored(digest).n_bytes)
        except (RemoteDamaged, RemoteMissing) as error:
            return Copied(digest, asset, "failed", 0, str(error))
        except RemoteError:
            raise
        except StoreError as error:
            return Copied(digest, asset, "failed", 0, str(error))

    def _looked(self, way: Way, digest: str, asset: str) -> Copied:
        store, there = self._tier.store, self._tier.holds(digest)
        if way == "pull":
            return Copied(digest, asset, "here" if store.has(digest) else "pulled", there or 0)
        try:
            stored = store.stored(digest)
        except StoreError as error:
            return Copied(digest, asset, "failed", 0, str(error))
        outcome = "external" if stored.external else "pushed" if there is None else "there"
        return Copied(digest, asset, outcome, stored.n_bytes)

    def _say(self, one: Copied, dry_run: bool) -> None:
        if one.outcome in ("there", "here", "external"):
            return
        would = "would be " if dry_run else ""
        words = one.why or f"{would}{one.outcome}, {size(one.bytes)}"
        self.line(f"{one.digest[:12]} {one.asset or '-'}: {words} ({len(self.done)} of {self._total})")

    def line(self, text: str) -> None:
        """Print a line above what is repainted."""
        if self._live:
            os.write(2, CLEAR.encode())
        typer.echo(text, err=True)

    def summary(self, *, dry_run: bool) -> str:
        """Returns in one sentence what was copied, and what was not."""
        numbers = Counter(one.outcome for one in self.done)
        parts = []
        for outcome in ("pushed", "pulled"):
            if n := numbers[outcome]:
                n_bytes = sum(one.bytes for one in self.done if one.outcome == outcome)
                parts.append(f"{'would be ' * dry_run}{outcome}: {counted(n, 'artifact')}, {size(n_bytes)}")
        words = {**WORDS, "failed": "failed"}
        parts += [f"{numbers[one]} {text}" for one, text in words.items() if numbers[one]]
        took = "" if dry_run else f", in {duration(time.monotonic() - self._began)}"
        return f"{'; '.join(parts) or 'nothing to copy'}{took}"

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return {"remote": self._tier.bucket.url, "artifacts": [one._asdict() for one in self.done]}


def _notes_here(tier: RemoteTier) -> dict[str, list[Path]]:
    return _by_digest([*(tier.store.root / results.RESULTS).glob("??/*/[!.]*.json")])


def _notes_there(tier: RemoteTier) -> dict[str, list[Path]]:
    return _by_digest(tier.noted())


def _by_digest(notes: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for note in sorted(notes):
        found.setdefault(note.stem, []).append(note)
    return found
