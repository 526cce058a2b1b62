"""Defines what people have marked in recordings, and where they wrote it down."""

from typing import ClassVar

from pydantic import Field

from blut_assets.artifacts import Artifact


class AnnotationFiles(Artifact):
    """Lists of annotations beside recordings, digested file by file, never copied.

    Attributes:
        n_files: lists.
        roots: name and digest of those beside each directory of EDF files, where there are several roots.
    """

    kind: ClassVar[str] = "lamquant.annotation_files"
    n_files: int
    roots: list[dict[str, str]] = Field(default_factory=list)


class Annotations(Artifact):
    """What people have marked in the recordings of a corpus: ``annotations.json``.

    Of each event it has class, onset, duration and source; no text leaves its source.

    Attributes:
        n_annotated: recordings, and segments of them, of which somebody has said something.
        n_unannotated: those of which nobody has; that does not make them quiet.
        n_refused: those whose sources cannot be trusted; ``annotations.json`` says why.
        n_events: events that are kept.
        n_dropped: events outside of their recording, or in a gap of it.
        n_unknown_texts: different texts that the vocabulary does not know.
        classes: events by class.
        sources: annotated recordings by the source that was used.
        events_by_source: events by source.
        hours: of the annotated recordings.
    """

    kind: ClassVar[str] = "lamquant.annotations"
    n_annotated: int
    n_unannotated: int
    n_refused: int
    n_events: int
    n_dropped: int
    n_unknown_texts: int
    classes: dict[str, int]
    sources: dict[str, int]
    events_by_source: dict[str, int]
    hours: float


class SnnLabels(Artifact):
    """A label for each frame of each recording, those of sealed patients in a directory of their own.

    Attributes:
        n_recordings: on a side of the split.
        n_unlabelled: those of them of which nobody has said anything; nothing is learned or judged there.
        n_patients_with_critical: patients with a seizure, on all sides.
        n_critical_events: seizures, by the frames.
        critical_s: seconds of frames with a seizure.
        interesting_s: seconds of frames with something of interest that is none.
        labelled_s: seconds of frames of which somebody has said anything.
        frame_s: seconds of a frame.
        vocabulary_digest: of what the texts of the annotations were understood by.
    """

    kind: ClassVar[str] = "lamquant.snn_labels"
    n_recordings: int
    n_unlabelled: int
    n_patients_with_critical: int
    n_critical_events: int
    critical_s: float
    interesting_s: float
    labelled_s: float
    frame_s: float
    vocabulary_digest: str
