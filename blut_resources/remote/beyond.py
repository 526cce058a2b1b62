"""Gives a store what its second tier has, as it is wanted, and goes without where that does not answer."""

import functools
import time

from blut_resources.files.durable import StoreError
from blut_resources.machine.memory import size_text
from blut_resources.remote.bucket import Bucket
from blut_resources.remote.tier import RemoteTier
from blut_resources.remote.words import RemoteDamaged, RemoteError, RemoteMissing
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactStore

SILENT_S = 60.0
"""For so long a bucket that did not answer is not asked again: a run must not wait for it at each asset."""
_silent_until: dict[str, float] = {}
_refused: set[tuple[str, str]] = set()
"""Address and digest of what was found damaged: this process does not ask for it again."""


class Beyond:
    """Looks in ``$BLUT_REMOTE`` for what a store lacks.

    Attributes:
        told: what somebody who reads of the run should know, since it was last taken.
    """

    def __init__(self, store: ArtifactStore, url: str) -> None:
        self._store, self._url = store, url
        self.told: list[str] = []

    def fetch(self, digest: str) -> bool:
        """Copy an artifact into the store; says whether it is there now.

        Raises:
            RemoteDamaged: what is there is not what the digest names.
            StoreError: the store has no room for it.
        """
        began = time.monotonic()
        try:
            tier = None if (self._url, digest) in _refused else self._tier()
            if tier is None:
                return False
            tier.pull(digest)
        except RemoteMissing:
            return False
        except RemoteDamaged:
            _refused.add((self._url, digest))
            raise
        except RemoteError as error:
            self._go_without(error)
            return False
        n_bytes = self._store.stored(digest).n_bytes
        self.told.append(
            f"{digest[:12]} pulled from {self._url}: {size_text(n_bytes)} in {time.monotonic() - began:.1f} s"
        )
        return True

    def size(self, digest: str) -> int | None:
        """Returns how many bytes an artifact has there; None if it is not there, or nobody answers."""
        try:
            tier = self._tier()
            return tier.holds(digest) if tier else None
        except RemoteError as error:
            self._go_without(error)
            return None

    def notes(self, fingerprint: str) -> list[results.Result]:
        """Returns the results with a fingerprint that are noted there, the newest first."""
        try:
            tier = self._tier()
            return tier.notes(fingerprint) if tier else []
        except RemoteError as error:
            self._go_without(error)
            return []

    def keep(self, fingerprint: str, digest: str) -> None:
        """Keep the note of a result whose bytes were pulled, as if it had been computed beside this store."""
        try:
            if tier := self._tier():
                tier.pull_note(results.place_of(self._store.root, fingerprint) / f"{digest}.json")
        except StoreError as error:
            self.told.append(f"the note of a result that was pulled is not kept: {error}")

    def push(self, fingerprint: str, digest: str) -> None:
        """Copy a result and its note there; where that cannot be done, it is told."""
        began = time.monotonic()
        try:
            if time.monotonic() < _silent_until.get(self._url, 0.0):
                return
            tier = RemoteTier(self._store, _bucket(self._url, insistent=True))
            if (sent := tier.push(digest)) == "external":
                return
            _refused.discard((self._url, digest))
            tier.push_note(results.place_of(self._store.root, fingerprint) / f"{digest}.json")
        except RemoteError as error:
            self._go_without(error)
            return
        except StoreError as error:
            self.told.append(f"not pushed: {error}")
            return
        if sent == "sent":
            size = size_text(self._store.stored(digest).n_bytes)
            self.told.append(
                f"{digest[:12]} pushed to {self._url}: {size} in {time.monotonic() - began:.1f} s"
            )

    def _tier(self) -> RemoteTier | None:
        if time.monotonic() < _silent_until.get(self._url, 0.0):
            return None
        return RemoteTier(self._store, _bucket(self._url))

    def _go_without(self, error: RemoteError) -> None:
        _silent_until[self._url] = time.monotonic() + SILENT_S
        self.told.append(f"{error}; without it for {SILENT_S:.0f} s")


@functools.cache
def _bucket(url: str, *, insistent: bool = False) -> Bucket:
    return Bucket(url, insistent=insistent)
