"""Finds duplicated content, then assigns subjects to train, val and test: LmaCorpus -> SplitManifest."""

import json

from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import CorpusError, read_corpus, read_recording
from cookbooks.lamquant.formats.lma.archive import LmaError
from cookbooks.lamquant.formats.lml.container import LmlError
from cookbooks.lamquant.signal.duplicates import find_duplicates
from cookbooks.lamquant.signal.split import (
    MANIFEST,
    SPLITS,
    SplitError,
    SplitPolicy,
    build_split,
    patients_of,
)


def main() -> None:
    """Build the split of one session.

    Raises:
        SystemExit: bad config, a damaged corpus, or a split that cannot be made.
    """
    with payload_session() as session:
        corpus_dir = session.inputs["corpus"]
        try:
            policy = SplitPolicy.from_config(session.config)
            corpus = read_corpus(corpus_dir)
            stems = [entry["stem"] for entry in corpus["recordings"]]
            duplicates = find_duplicates(stems, lambda stem: read_recording(corpus_dir, stem))
            split = build_split(corpus, duplicates, policy)
        except (SplitError, CorpusError, LmaError, LmlError) as error:
            raise SystemExit(str(error)) from error
        write_atomic(session.out / MANIFEST, (json.dumps(split, sort_keys=True, indent=1) + "\n").encode())
        homes = [split["subjects"][spellings[0]] for spellings in patients_of(split["subjects"]).values()]
        session.done(
            **{f"n_{name}_subjects": homes.count(name) for name in SPLITS},
            n_duplicate_groups=len(split["duplicates"]),
            n_excluded=len(split["excluded"]),
        )


if __name__ == "__main__":
    main()
