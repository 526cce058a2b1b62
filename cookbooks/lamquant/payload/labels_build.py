"""Makes a label for each frame: LmaCorpus, Annotations and SplitManifest -> SnnLabels.

    python -m cookbooks.lamquant.payload.labels_build --config FILE

Inputs: ``corpus``, ``annotations``, ``split``. Writes ``fit/`` and ``sealed/``, see `labels.store`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import refusal
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.annotations.content import read_annotations
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.gate.split import read_split
from cookbooks.lamquant.labels.frames import frame_labels, n_frames, runs
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL, SEEN_INTERESTING, UNLABELLED, Unannotated
from cookbooks.lamquant.labels.sides import require_critical
from cookbooks.lamquant.labels.store import FIT, SEALED, read_labels, write_index, write_labels


@dataclass(frozen=True)
class LabelSettings:
    """Holds what `ActivityLabelsConfig` says."""

    frame_s: Annotated[float, Bounds(0.1, 2)] = 0.25
    unannotated: Unannotated = "exclude"

    @property
    def frame_ms(self) -> int:
        """Returns the milliseconds of a frame.

        Raises:
            Refused: they are not whole.
        """
        found = round(self.frame_s * 1000)
        if abs(found - self.frame_s * 1000) > 1e-6:
            raise refusal("frame_s", self.frame_s, "be a whole number of milliseconds", "such as 0.25")
        return found


@dataclass(frozen=True)
class LabelInputs:
    """Names the inputs."""

    corpus: Path
    annotations: Path
    split: Path


def main() -> None:
    """Build the labels of one session."""
    with payload_session() as session:
        settings = read_config(session, LabelSettings)
        inputs = read_inputs(session, LabelInputs)
        said, split = read_annotations(inputs.annotations), read_split(inputs.split)
        indices: dict[str, dict[str, Any]] = {FIT: {}, SEALED: {}}
        told = set(said.get("tell_seizures", ()))
        entries = [one for one in read_corpus(inputs.corpus)["recordings"] if one["stem"] in split.recordings]
        for number, entry in enumerate(entries, 1):
            stem, frame_ms = entry["stem"], settings.frame_ms
            one = said["recordings"].get(stem, {"state": "unannotated"})
            labels = frame_labels(
                one["state"],
                one.get("events", ()),
                n_frames(entry["n_samples"], entry["rate_hz"], frame_ms),
                frame_ms,
                tells_seizures=stem in told,
                unannotated=settings.unannotated,
            )
            home = split.recordings[stem]
            place = SEALED if home == "test" else FIT
            write_labels(session.out / place / f"{stem}.npy", labels)
            indices[place][stem] = {
                "patient": split.people.get(stem, entry["subject"]),
                "split": home,
                "state": one["state"],
                "frames": len(labels),
                "labelled": int((labels != UNLABELLED).sum()),
                "critical": int((labels == SEEN_CRITICAL).sum()),
                "interesting": int((labels == SEEN_INTERESTING).sum()),
                "critical_events": len(runs(labels, SEEN_CRITICAL)),
            }
            session.step(number, of=len(entries))
        for place, index in indices.items():
            write_index(session.out / place, settings.frame_ms, index)
        every = {
            **read_labels(session.out / FIT).recordings,
            **read_labels(session.out / SEALED).recordings,
        }
        critical = {one["patient"]: one["split"] for one in every.values() if one["critical"]}
        require_critical(critical, [stem for stem, one in every.items() if not one["labelled"]])
        session.done(
            **_facts(every, settings.frame_ms / 1000, critical), vocabulary_digest=said.get("vocabulary", "")
        )


def _facts(
    every: Mapping[str, Mapping[str, Any]], frame_s: float, critical: Mapping[str, str]
) -> dict[str, Any]:
    def seconds(name: str) -> float:
        return round(sum(one[name] for one in every.values()) * frame_s, 3)

    return {
        "n_recordings": len(every),
        "n_unlabelled": sum(not one["labelled"] for one in every.values()),
        "n_patients_with_critical": len(critical),
        "n_critical_events": sum(one["critical_events"] for one in every.values()),
        "critical_s": seconds("critical"),
        "interesting_s": seconds("interesting"),
        "labelled_s": seconds("labelled"),
        "frame_s": frame_s,
    }


if __name__ == "__main__":
    main()
