"""Cuts TrainingWindows of LmaCorpus and SplitManifest. The test split's archives are never opened."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import Corpus, open_corpus
from cookbooks.lamquant.signal.montage import MissingChannels
from cookbooks.lamquant.signal.split import read_split, stems_in
from cookbooks.lamquant.signal.windows import (
    INDEX,
    SCHEMA,
    SPLITS,
    NotUsable,
    WindowError,
    WindowSpec,
    check_rate,
    cut_windows,
    n_candidates,
    spread,
)


@dataclass(frozen=True)
class WindowInputs:
    """Names the inputs."""

    corpus: Path
    split: Path


def build(corpus: Corpus, split_dir: Path, spec: WindowSpec, out: Path) -> dict[str, Any]:
    """Cut the windows of both splits into ``out`` and return the index, not yet written.

    Raises:
        WindowError: a high-pass above Nyquist, or a split that is left without windows.
        SplitError, CorpusError, LmaError, LmlError: inputs that do not fit or are damaged.
    """
    split = read_split(split_dir, corpus.index)
    recordings: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for name in SPLITS:
        entries = [corpus.entries[stem] for stem in stems_in(split, name)]
        for entry, chosen in _plan(entries, spec):
            stem = entry["stem"]
            kept = split.get("channels", {}).get(stem) or list(range(len(entry["channels"])))
            try:
                facts = _cut(corpus, entry, kept, chosen, spec, out / name)
            except (NotUsable, MissingChannels) as error:
                skipped.append({"stem": stem, "split": name, "reason": str(error)})
            else:
                recordings.append({**facts, "split": name, "file": f"{name}/{stem}.npy"})
        _require_some(name, recordings, skipped)
    return {
        "schema": SCHEMA,
        "units": "uV",
        "highpass_hz": spec.highpass_hz,
        "window_s": spec.window_s,
        "requested": asdict(spec),
        "recordings": recordings,
        "skipped": skipped,
        "synthetic": any(corpus.entries[entry["stem"]].get("synthetic", False) for entry in recordings),
    }


def _plan(entries: list[dict[str, Any]], spec: WindowSpec) -> list[tuple[dict[str, Any], range | str]]:
    """Decide which windows of which recording, or why none, from the corpus index alone."""
    counts: list[int] = []
    reasons: list[str] = []
    for entry in entries:
        check_rate(entry["stem"], entry["rate_hz"], spec)
        count, reason = 0, f"shorter than a window: {entry['duration_s']} s of {spec.window_s} s"
        try:
            count = n_candidates(entry["n_samples"], entry["rate_hz"], spec)
        except NotUsable as error:
            reason = str(error)
        counts.append(count)
        reasons.append(reason)
    chosen = spread(counts, spec.max_windows)
    plan: list[tuple[dict[str, Any], range | str]] = []
    for entry, count, reason, windows in zip(entries, counts, reasons, chosen, strict=True):
        if windows or not count:
            plan.append((entry, windows or reason))
    return plan


def _cut(
    corpus: Corpus,
    entry: dict[str, Any],
    kept: list[int],
    chosen: range | str,
    spec: WindowSpec,
    out: Path,
) -> dict[str, Any]:
    """Cut one recording and say what was written; NotUsable where nothing can be."""
    if isinstance(chosen, str):
        raise NotUsable(chosen)
    stem = entry["stem"]
    cut = cut_windows(corpus.open(stem), kept, chosen, spec, out / f"{stem}.npy")
    if not cut.n_windows:
        raise NotUsable(f"no window left: {cut.n_flat} flat, {cut.n_nonfinite} not finite")
    # with the digest of the source in it, the index stands for the samples as well
    source = {f"source_{name}": entry[name] for name in ("rate_hz", "signal_sha256")}
    return {"stem": stem, "subject": entry["subject"], **source, **asdict(cut)}


def _require_some(name: str, recordings: list[dict[str, Any]], skipped: list[dict[str, Any]]) -> None:
    if any(entry["split"] == name for entry in recordings):
        return
    reasons = [f"{entry['stem']}: {entry['reason']}" for entry in skipped if entry["split"] == name]
    more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    raise WindowError(
        f"no windows for {name}: {'; '.join(reasons[:5])}{more}. Shorten window_s, change channels or "
        f"rate_hz, or give {name} other recordings"
    )


def main() -> None:
    """Cut the windows of one session."""
    with payload_session() as session:
        spec, inputs = read_config(session, WindowSpec), read_inputs(session, WindowInputs)
        index = build(open_corpus(session.inputs), inputs.split, spec, session.out)
        write_atomic(session.out / INDEX, (json.dumps(index, sort_keys=True, indent=1) + "\n").encode())
        counts = {name: 0 for name in SPLITS}
        for entry in index["recordings"]:
            counts[entry["split"]] += entry["n_windows"]
        session.done(
            n_train=counts["train"],
            n_val=counts["val"],
            window_s=spec.window_s,
            highpass_hz=spec.highpass_hz,
            max_channels=max(len(entry["channels"]) for entry in index["recordings"]),
        )


if __name__ == "__main__":
    main()
