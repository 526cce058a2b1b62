"""Finds duplicated content, then assigns subjects to train, val and test: LmaCorpus -> SplitManifest."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.signal.duplicates import find_duplicates
from cookbooks.lamquant.signal.placing import SplitPolicy
from cookbooks.lamquant.signal.request import read_request
from cookbooks.lamquant.signal.split import MANIFEST, SPLITS, build_split

Share = Annotated[float, Bounds(0, below=1)]


@dataclass(frozen=True)
class SplitSettings:
    """Holds what `SplitManifestConfig` says."""

    seed: int = 0
    val_fraction: Share | None = None
    test_fraction: Share | None = None
    train_subjects: list[str] = field(default_factory=list)
    val_subjects: list[str] = field(default_factory=list)
    test_subjects: list[str] = field(default_factory=list)
    unlisted: Literal["refuse", "leave_out"] = "refuse"
    test_from: Literal["manifest", "val"] = "manifest"

    def policy(self) -> SplitPolicy:
        """Returns the wish; its subjects in one order, however they were written.

        Raises:
            SplitError: the fields contradict each other.
        """
        named = {name: tuple(sorted(set(getattr(self, f"{name}_subjects")))) for name in SPLITS}
        return SplitPolicy(
            self.seed, self.val_fraction, self.test_fraction, named, self.unlisted, self.test_from
        )


@dataclass(frozen=True)
class SplitInputs:
    """Names the inputs."""

    corpus: Path
    request: Path | None = None


def main() -> None:
    """Build the split of one session."""
    with payload_session() as session:
        policy = read_config(session, SplitSettings).policy()
        asked = read_inputs(session, SplitInputs).request
        request = read_request(asked) if asked else None
        corpus = open_corpus(session.inputs)
        duplicates = find_duplicates(corpus.entries, corpus.open, session.work)
        split = build_split(corpus.index, duplicates, policy, request)
        write_atomic(session.out / MANIFEST, (json.dumps(split, sort_keys=True, indent=1) + "\n").encode())
        homes = list(split["subjects"].values())
        session.done(
            **{f"n_{name}_subjects": homes.count(name) for name in SPLITS},
            n_duplicate_groups=len(split["duplicates"]),
            n_excluded=len(split["excluded"]),
            n_by_names_only=len(split["meta"]["by_names_only"]),
        )


if __name__ == "__main__":
    main()
