"""Makes archives of recordings, a split by patient, and windows to train on: the corpus."""

import json
from pathlib import Path

from blut_assets.stages import Footprint, Stage, Steps, none_refused, stage_asset
from blut_assets.stages.notices import HELD
from cookbooks.lamquant.artifacts.corpus import (
    LmaCorpus,
    Recordings,
    SplitManifest,
    SplitRequest,
    TrainingWindows,
)
from cookbooks.lamquant.configs.corpus import LmaCorpusConfig, SplitManifestConfig, TrainingWindowsConfig
from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, find_recordings
from cookbooks.lamquant.formats.index import SOURCE
from cookbooks.lamquant.gate.split import SPLIT_FILE
from cookbooks.lamquant.gate.split_page import ENOUGH_SUBJECTS, split_page, split_warnings
from cookbooks.lamquant.pages.corpus import shown

LOGGED = 50
"""Refused recordings that are named in the log; all of them are in ``corpus.json``."""

FINISHED = "lma_corpus-finished"
"""The work directory in which archives wait whose run was ended, for whichever run needs them next."""
LMA_ENCODE = "cookbooks.lamquant.payload.lma_encode"
SPLIT_BUILD = "cookbooks.lamquant.payload.split_build"
WINDOWS_BUILD = "cookbooks.lamquant.payload.windows_build"


def corpus_inputs(stage: Stage, lma_corpus: LmaCorpus) -> dict[str, Path]:
    """Returns what a payload needs to read a corpus: its directory, and where archives outside of it lie."""
    sources = {f"{SOURCE}{name}": stage.open(digest) for name, digest in lma_corpus.sources.items()}
    return {"corpus": stage.open(lma_corpus), **sources}


@stage_asset(
    cookbook="lamquant",
    group="corpus",
    payloads=[LMA_ENCODE],
    headline=["n_archives", "n_refused", "compression_ratio"],
    notices=[none_refused("recordings_refused", "recordings", "n_refused", "corpus.json"), HELD],
    kinds={"lma"},
    footprint=Footprint(cpus="workers", disk=1),
)
def lma_corpus(stage: Stage, recordings: Recordings, config: LmaCorpusConfig) -> Steps[LmaCorpus]:
    """One LMA1 archive per recording, lossless: it decodes to the EDF's integers bit by bit.

    An archive that was made elsewhere is verified, and stays where it is. A recording that cannot be read is
    refused with file, field and remedy, and does not stop the others.
    """
    earlier, roots = stage.earlier(), recordings.each_root()
    places = [stage.open(root["digest"]) for root in roots]
    facts = yield from stage.run(
        LMA_ENCODE,
        config={
            **config.for_payload(),
            "finished": str(stage.store.work_dir(FINISHED)),
            "code": stage.spec.code.value,
            "roots": [
                {"name": root["name"], "kind": root["kind"], "input": f"root_{number}"}
                for number, root in enumerate(roots)
            ],
            "passed_over": [
                one._asdict()
                for root, place in zip(roots, places, strict=True)
                for one in find_recordings(place, LOOKED_FOR[root["kind"]]).passed_over
            ],
        },
        inputs={
            **{f"root_{number}": place for number, place in enumerate(places)},
            **({"earlier": stage.open(earlier)} if earlier else {}),
        },
    )
    index = json.loads((stage.out / "corpus.json").read_text())
    for one in index["refused"][:LOGGED]:
        stage.context.log.warning("refused {file}: {field}: {problem}. {remedy}".format(**one))
    if len(index["refused"]) > LOGGED:
        stage.context.log.warning(f"refused {len(index['refused']) - LOGGED} more: see corpus.json")
    stage.show(**shown(index))
    sources = {root["name"]: root["digest"] for root in roots if root["kind"] == "lma"}
    return LmaCorpus(**facts, sources=sources)


@stage_asset(
    cookbook="lamquant",
    group="corpus",
    payloads=[SPLIT_BUILD],
    show=split_page,
    headline=["n_train_subjects", "n_val_subjects", "n_test_subjects"],
    notices=[ENOUGH_SUBJECTS],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def split_manifest(
    stage: Stage, lma_corpus: LmaCorpus, split_request: SplitRequest, config: SplitManifestConfig
) -> Steps[SplitManifest]:
    """Which patient is in train, validation or the sealed test split.

    A patient is all that any evidence joins: the header, the path, a stated subject, shared content.
    """
    facts = yield from stage.run(
        SPLIT_BUILD,
        config=config.fingerprinted(),
        inputs={**corpus_inputs(stage, lma_corpus), "request": stage.open(split_request)},
    )
    for warning in split_warnings(json.loads((stage.out / SPLIT_FILE).read_text())):
        stage.context.log.warning(warning)
    return SplitManifest(**facts)


@stage_asset(
    cookbook="lamquant",
    group="corpus",
    payloads=[WINDOWS_BUILD],
    headline=["n_train", "n_val"],
    kinds={"numpy"},
    footprint=Footprint(cpus=1, disk=1),
)
def training_windows(
    stage: Stage, lma_corpus: LmaCorpus, split_manifest: SplitManifest, config: TrainingWindowsConfig
) -> Steps[TrainingWindows]:
    """Full-band windows of the train and validation patients, high-passed, in microvolts, memory-mapped."""
    facts = yield from stage.run(
        WINDOWS_BUILD,
        config={**config.fingerprinted(), "channels": config.channels or None, "max_windows": None},
        inputs={**corpus_inputs(stage, lma_corpus), "split": stage.open(split_manifest)},
    )
    return TrainingWindows(**facts)
