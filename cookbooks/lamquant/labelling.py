"""Keeps what people have marked in recordings: the lists beside them, and the annotations."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset
from blut_assets.stages.spec import spec_of
from blut_resources.files.digest import digest_bytes
from blut_resources.store.artifacts import ArtifactStore, write_atomic
from blut_resources.store.references import Referenced
from cookbooks.lamquant.annotations.beside import lists_beside
from cookbooks.lamquant.annotations.content import FILE
from cookbooks.lamquant.annotations.marks import CLASSES
from cookbooks.lamquant.annotations.vocabulary import (
    VocabularyError,
    parse_vocabulary,
    read_vocabulary,
    vocabulary_path,
)
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, Recordings
from cookbooks.lamquant.artifacts.labels import AnnotationFiles, Annotations
from cookbooks.lamquant.configs.corpus import LmaCorpusConfig
from cookbooks.lamquant.configs.labelling import AnnotationFilesConfig, AnnotationsConfig
from cookbooks.lamquant.corpus import lma_corpus
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.sources import recordings, recordings_root

ANNOTATIONS_BUILD = "cookbooks.lamquant.payload.annotations_build"
SHOWN = 50
"""Recordings in a table of the UI, and refusals in the log; all of them are in ``annotations.json``."""
VOCABULARY = "vocabulary"


@stage_asset(cookbook="lamquant", group="sources", source=True, headline=["n_files"], kinds={"csv"})
def annotation_files(stage: Stage, config: AnnotationFilesConfig) -> Steps[AnnotationFiles]:
    """Lists of annotations beside the recordings, digested file by file. What they say stays where it is."""
    roots = [root for root in config.roots() if root.kind == "edf"]
    found: list[Referenced] = []
    for one in roots:
        root = yield from recordings_root(stage, one.path, one.field)
        found.append(_lists(stage, root))
    if [root.name for root in roots] == [""]:
        return AnnotationFiles(digest=found[0].digest, n_files=found[0].n_files)
    parts = [{"name": root.name, "digest": lists.digest} for root, lists in zip(roots, found, strict=True)]
    write_atomic(stage.out / "roots.json", json.dumps(sorted(part["digest"] for part in parts)).encode())
    return AnnotationFiles(n_files=sum(lists.n_files for lists in found), roots=parts)


def _lists(stage: Stage, root: Path) -> Referenced:
    """The lists beside the recordings of one directory, as a reference."""
    files, others = lists_beside(root, find_recordings(root).names)
    if others and not stage.planning:
        names = ", ".join(path.relative_to(root).as_posix() for path in others[:SHOWN])
        stage.context.log.warning(
            f"{len(others)} lists of annotations are left out: they cannot be read, or are links that lead"
            f" nowhere or out of the directory: {names}"
        )
    return stage.store.referenced(root, files)


def vocabulary_digest(
    store: ArtifactStore, inputs: Mapping[str, str], config: AnnotationsConfig
) -> Mapping[str, str]:
    """Returns the digest of the vocabulary: what it says is a part of the fingerprint, and not its path."""
    return {VOCABULARY: digest_bytes(read_vocabulary(vocabulary_path(config.vocabulary)))}


def tables(out: Path) -> Mapping[str, Any]:
    """Returns what the UI shows: recordings and their classes, the sources, and what was refused."""
    content = json.loads((out / FILE).read_text())
    recordings = content["recordings"].items()
    shown: dict[str, Any] = {"sources_used": dg.MetadataValue.json(content["counts"]["sources"])}
    rows = list(islice(_rows(recordings), SHOWN))
    if rows:
        shown["recordings"] = dg.MetadataValue.table(rows)
    refused = ((stem, one) for stem, one in recordings if one["state"] == "refused")
    problems = [
        _record(recording=stem, problem=one["problem"], remedy=one["remedy"])
        for stem, one in islice(refused, SHOWN)
    ]
    if problems:
        shown["refused"] = dg.MetadataValue.table(problems)
    if texts := content.get("texts"):
        shown["texts"] = dg.MetadataValue.table([_record(**one) for one in texts[:SHOWN]])
    return shown


def _rows(recordings: Any) -> Iterator[dg.TableRecord]:
    """Yields a row for each recording whose labels are kept or refused; the others say nothing."""
    for stem, one in recordings:
        if one["state"] != "unannotated":
            labels = [event[0] for event in one.get("events", [])]
            counts = {label: labels.count(label) for label in CLASSES}
            yield _record(recording=stem, state=one["state"], **counts, sources=", ".join(one["sources"]))


def _record(**values: Any) -> dg.TableRecord:
    return dg.TableRecord(values)


@stage_asset(
    cookbook="lamquant",
    group="annotations",
    payloads=[ANNOTATIONS_BUILD],
    looks_up=vocabulary_digest,
    show=tables,
    headline=["n_annotated", "n_unannotated", "n_refused", "n_events"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def annotations(
    stage: Stage,
    recordings: Recordings,
    annotation_files: AnnotationFiles,
    lma_corpus: LmaCorpus,
    config: AnnotationsConfig,
) -> Steps[Annotations]:
    """What people have marked in the recordings: class, onset, duration and source, and no text.

    A recording of which nobody has said anything is unannotated, which is not quiet. A source that cannot be
    trusted costs its recording the labels, with the reason.
    """
    path = vocabulary_path(config.vocabulary)
    vocabulary = read_vocabulary(path)
    if digest_bytes(vocabulary) != stage.looked_up[VOCABULARY]:
        raise VocabularyError(f"vocabulary {path.name}: it was changed during the run; run again")
    parse_vocabulary(vocabulary, path.name)
    roots = _roots(recordings, annotation_files)
    facts = yield from stage.run(
        ANNOTATIONS_BUILD,
        config={
            "labels": config.labels,
            "unknown": config.unknown,
            "identity": lma_corpus.identity,
            "vocabulary": vocabulary.decode("utf-8-sig"),
            "roots": [
                {
                    "prefix": prefix,
                    "lists": sorted(stage.store.files(lists)),
                    "recordings": f"recordings_{n}",
                    "beside": f"lists_{n}",
                }
                for n, (prefix, _, lists) in enumerate(roots)
            ],
        },
        inputs={
            "corpus": stage.open(lma_corpus),
            **{f"recordings_{n}": stage.open(digest) for n, (_, digest, _) in enumerate(roots)},
            **{f"lists_{n}": stage.open(lists) for n, (_, _, lists) in enumerate(roots)},
        },
    )
    _tell(stage)
    return Annotations(**facts)


def newly_annotated(
    store: ArtifactStore,
    configs: Mapping[dg.AssetKey, StageConfig],
    now: Mapping[dg.AssetKey, Mapping[str, Any]],
    before: Mapping[dg.AssetKey, Mapping[str, Any]],
) -> int:
    """Returns how many recordings are annotated now that were not, or of which other things are said now.

    Args:
        now: facts of the sources `recordings` and `annotation_files`.
        before: the same of an earlier run; empty where there was none.

    Raises:
        VocabularyError: the vocabulary cannot be read.
        OSError: a recording or a list cannot be read.
    """
    from cookbooks.lamquant.annotations import newly
    from cookbooks.lamquant.formats.edf.recording import ReadOptions

    config, corpus = configs[annotations.key], configs[lma_corpus.key]
    assert isinstance(config, AnnotationsConfig) and isinstance(corpus, LmaCorpusConfig)
    path = vocabulary_path(config.vocabulary)
    spec = spec_of(annotations)
    assert spec is not None
    wanted = newly.AnnotationRules(
        config.labels,
        config.unknown,
        parse_vocabulary(read_vocabulary(path), path.name),
        ReadOptions(corpus.repair, tuple(corpus.eeg_channels), tuple(corpus.exclude_channels)),
        spec.code.value,
    )
    return newly.newly_annotated(
        store,
        (newly.SeenRoot(*one) for one in _seen(now)),
        (newly.SeenRoot(*one) for one in _seen(before)),
        wanted,
    )


def _seen(facts: Mapping[dg.AssetKey, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Returns digests of each directory of EDF files and of the lists in it; none where nothing was seen."""
    if not {recordings.key, annotation_files.key} <= facts.keys():
        return []
    roots = _roots(Recordings(**facts[recordings.key]), AnnotationFiles(**facts[annotation_files.key]))
    return [(recorded, lists) for _, recorded, lists in roots]


def _roots(recordings: Recordings, files: AnnotationFiles) -> list[tuple[str, str, str]]:
    """Returns of each directory of EDF files how its stems begin, its digest, and that of the lists in it."""
    several = recordings.each_root()
    lists = {part["name"]: part["digest"] for part in files.roots} or {"": files.digest}
    return [
        (f"{root['name']}__" if len(several) > 1 else "", root["digest"], lists[root["name"]])
        for root in several
        if root["kind"] == "edf"
    ]


def _tell(stage: Stage) -> None:
    recordings = json.loads((stage.out / FILE).read_text())["recordings"]
    refused = {stem: one for stem, one in recordings.items() if one["state"] == "refused"}
    for stem, one in islice(refused.items(), SHOWN):
        stage.context.log.warning(f"no labels for {stem}: {one['problem']}; {one['remedy']}")
    if len(refused) > SHOWN:
        stage.context.log.warning(f"no labels for {len(refused) - SHOWN} more: {FILE} names them")
