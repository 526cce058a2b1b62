"""Keeps the search in a journal of Optuna's own, for its tools; it is made of the trials again whenever it is
missing, damaged, or of other trials.

One process writes it, whoever leads the search. What counts is the record of the trials.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blut_assets.hpo.sampling import Sampling, Tried, imported

JOURNAL = "optuna.journal"


class Journal:
    """Holds the journal in the directory ``place`` of one search, called ``name`` there."""

    def __init__(self, place: Path, name: str, sampling: Sampling) -> None:
        self.path, self._name, self._sampling = place / JOURNAL, name, sampling
        self._study: Any = None
        self._n = 0

    def tell(self, tried: Sequence[Tried]) -> None:
        """Write down what has ended since; each attempt of a trial is one of Optuna's trials.

        Args:
            tried: every attempt that has ended, in the order of their ends.
        """
        if self._n == len(tried) and self._study is not None:
            return
        if self._study is None and not self._opened(tried):
            self._make_anew()
        try:
            self._add(tried)
        except Exception:  # damaged behind what could be read of it, or since
            self._make_anew()
            self._add(tried)

    def _add(self, tried: Sequence[Tried]) -> None:
        for one in tried[self._n :]:
            self._study.add_trial(self._sampling.frozen(one))
            self._n += 1

    def _opened(self, tried: Sequence[Tried]) -> bool:
        """Open the journal; says whether it is there, can be read, and is of these trials."""
        try:
            if not self.path.read_bytes().endswith(b"\n"):  # what is appended would be a part of a torn line
                return False
            self._study = imported().load_study(study_name=self._name, storage=self._storage())
            known = [(one.user_attrs.get("trial"), one.user_attrs.get("run")) for one in self._study.trials]
        except Exception:  # whatever is wrong with it, it is made again
            known = None
        self._n = len(known or ())
        return known is not None and known == [(one.number, one.run_id) for one in tried[: len(known)]]

    def _make_anew(self) -> None:
        for left in self.path.parent.glob(f"{JOURNAL}*"):  # a lock of a killed writer too
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
        self._study = imported().create_study(
            study_name=self._name, storage=self._storage(), direction=self._sampling.direction
        )
        self._n = 0

    def _storage(self) -> Any:
        optuna = imported()
        backend = optuna.storages.journal.JournalFileBackend(str(self.path))
        return optuna.storages.JournalStorage(backend)
