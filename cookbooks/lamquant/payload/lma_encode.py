"""Makes a corpus: EDF and BDF become LMA1 archives with LML1 payloads, bit-exact; archives are verified.

    python -m cookbooks.lamquant.payload.lma_encode --config FILE

Inputs: ``recordings``, a directory, or those that ``roots`` names; ``earlier``, a corpus that the same code
made with the same settings, whose archives of unchanged files are used again. Config: see `EncodeSettings`.
Every window is decoded and compared with the source as soon as it is coded. A recording that cannot be used
is listed with the field at fault and the remedy; the others go on. Encoded archives outlive a kill in
``finished``. An archive that was made elsewhere stays where it is; every sample in it is decoded once.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from blut_resources.files.digest import digest_path
from blut_resources.files.durable import StoreError
from blut_resources.payload_kit.config import Bounds, read_config
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.lamquant.encoding.archives import ArchiveJob, archive_stems
from cookbooks.lamquant.encoding.earlier import EarlierCorpus, link_or_copy
from cookbooks.lamquant.encoding.encode import encode_job
from cookbooks.lamquant.encoding.index import count, write_index
from cookbooks.lamquant.encoding.job import EncodeJob, tidy
from cookbooks.lamquant.encoding.work import Job
from cookbooks.lamquant.encoding.workers import Outcome, encode_all
from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, PassedOver, find_recordings
from cookbooks.lamquant.formats.edf.nameless import named_files
from cookbooks.lamquant.formats.edf.recording import ReadOptions

IDENTITY = {"strip": "stripped", "keep": "kept"}
SHOWN_REFUSALS = 5
TELL_S = 2.0
"""Seconds between two reports of how far a file is."""


@dataclass(frozen=True)
class RootSettings:
    """Names a directory of recordings or of archives, and the input by which it is given."""

    name: str
    input: str
    kind: Literal["edf", "lma"] = "edf"


@dataclass(frozen=True)
class EncodeSettings:
    """Holds what `LmaCorpusConfig` says, where recordings come from, and where finished archives wait.

    ``code`` is the version of the code that encodes: what another one finished is not taken.
    """

    identity: Literal["strip", "keep"] = "strip"
    repair: Literal["record", "refuse"] = "record"
    eeg_channels: list[str] = field(default_factory=list)
    exclude_channels: list[str] = field(default_factory=list)
    workers: Annotated[int, Bounds(1)] = 1
    limit: Annotated[int, Bounds(1)] | None = None
    roots: list[RootSettings] = field(default_factory=lambda: [RootSettings("", "recordings")])
    passed_over: list[dict[str, str]] = field(default_factory=list)
    finished: str | None = None
    code: str = ""

    def options(self) -> ReadOptions:
        """Returns how files are read."""
        chosen = tuple(self.eeg_channels), tuple(self.exclude_channels)
        return ReadOptions(self.repair, *chosen, self.identity == "keep")


def main() -> None:
    """Encode the corpus of one session."""
    with payload_session() as session:
        settings = read_config(session, EncodeSettings)
        finished = Path(settings.finished) if settings.finished else session.work / "encoded"
        finished.mkdir(parents=True, exist_ok=True)
        tidy(finished)
        found = [(root, *_find(session, root)) for root in settings.roots]
        passed_over = [
            *(PassedOver(**one) for one in settings.passed_over),
            *(one for _, _, more in found for one in more),
        ]
        jobs = [job for root, names, _ in found for job in _jobs(session, settings, root, names, finished)]
        jobs = jobs[: settings.limit]
        if not jobs and not passed_over:
            places = ", ".join(str(_place(session, root)) for root in settings.roots)
            raise Refused(
                f"{places}: no recordings: looked for *.edf and *.bdf, also with .gz, in any case, in every "
                "directory below (of archives, *.lma and *.lml); point at the directory that holds them"
            )
        (session.out / "archives").mkdir(exist_ok=True)
        outcomes = _outcomes(session, jobs, settings.workers)
        records = [one for job in jobs for one in outcomes[job.stem].get("records", ())]
        refused = [{"field": "file", **one._asdict()} for one in passed_over]
        refused += [outcomes[job.stem]["refused"] for job in jobs if "refused" in outcomes[job.stem]]
        refused += [one for job in jobs for one in outcomes[job.stem].get("unusable", ())]
        if not records:
            raise Refused(_none_usable(_place(session, settings.roots[0]), refused))
        identity = IDENTITY[settings.identity]
        entries = write_index(session.out, records, refused, identity)
        facts = count(session.out, entries, len(refused), identity)
        for job in jobs:  # from here on they are in `out`
            if isinstance(job, EncodeJob):
                job.note.unlink(missing_ok=True)
                job.archive.unlink(missing_ok=True)
        session.done(**facts)


def _place(session: PayloadSession, root: RootSettings) -> Path:
    path = session.inputs.get(root.input)
    if path is None or not path.exists():
        raise Refused(f"input {root.input}: there is nothing at {path}; give a path")
    if not path.is_dir():
        raise Refused(f"{path}: not a directory; point `{root.input}` at the one that holds the files")
    return path


def _find(session: PayloadSession, root: RootSettings) -> tuple[list[str], list[PassedOver]]:
    """Returns the names of recordings: those that were digested, whatever else has come since."""
    place, digests = _place(session, root), session.digests(root.input)
    names, passed_over = (sorted(digests), []) if digests else find_recordings(place, LOOKED_FOR[root.kind])
    return names, passed_over


def _jobs(
    session: PayloadSession, settings: EncodeSettings, root: RootSettings, names: list[str], finished: Path
) -> Iterator[Job]:
    place, digests, options = session.inputs[root.input], session.digests(root.input), settings.options()
    prefix = f"{root.name}__" if len(settings.roots) > 1 else ""
    if root.kind == "lma":
        for name, stem in archive_stems(names, prefix).items():
            path = place / name
            known = root.name, PurePosixPath(name), prefix, stem
            yield ArchiveJob(path, *known, digests.get(name) or _digest(path), _size(path), finished)
        return
    for stem, file in named_files(place, names, keep_identity=options.keep_identity).items():
        path = place / file.name
        digest = digests.get(file.name) or _digest(path)
        name = f"{prefix}{stem}"
        known = digest, _size(path), finished, settings.code
        yield EncodeJob(path, root.name, file.shown, name, options, *known)


def _digest(path: Path) -> str | None:
    try:
        return digest_path(path)
    except StoreError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _outcomes(session: PayloadSession, jobs: list[Job], workers: int) -> dict[str, Outcome]:
    """Returns what became of each file, by stem; the archives of those that are used lie in ``out``."""
    progress = _Progress(session, jobs)
    outcomes: dict[str, Outcome] = {}
    earlier = EarlierCorpus(session.inputs["earlier"]) if "earlier" in session.inputs else None
    for job in jobs:
        if earlier and (records := _known(session, earlier, job)):
            outcomes[job.stem] = {"records": records}
            progress.finish(job)
    rest = [job for job in jobs if job.stem not in outcomes]
    for job, outcome in encode_all(rest, workers, progress.move):
        outcomes[job.stem] = outcome
        progress.finish(job)
    for job in rest:
        if isinstance(job, ArchiveJob) or "records" not in outcomes[job.stem]:
            continue
        if not job.archive.exists():  # another run has taken it meanwhile
            outcomes[job.stem] = encode_job(job, progress.move)
        link_or_copy(job.archive, _target(session, job))
    return outcomes


def _known(session: PayloadSession, earlier: EarlierCorpus, job: Job) -> list[dict[str, Any]] | None:
    """Returns the entries of a file that an earlier corpus has; its archive lies in ``out`` then."""
    if isinstance(job, ArchiveJob):
        return earlier.taken(job)
    records = earlier.records(job)
    if records:
        link_or_copy(earlier.archive(job), _target(session, job))
    return records


def _target(session: PayloadSession, job: EncodeJob) -> Path:
    return session.out / "archives" / f"{job.stem}.lma"


class _Progress:
    """Reports files that are done, and the share of all bytes."""

    def __init__(self, session: PayloadSession, jobs: list[Job]) -> None:
        self._session, self._jobs = session, jobs
        self._all = max(1, sum(job.n_bytes for job in jobs))
        self._files = self._bytes = self._open = 0
        self._quiet_until = time.monotonic() + TELL_S

    def move(self, n_bytes: int) -> None:
        """Count bytes of a file that is not done."""
        self._open += n_bytes
        if n_bytes and time.monotonic() > self._quiet_until:
            self._tell()

    def finish(self, job: Job) -> None:
        """Count a file that is done."""
        self._files += 1
        self._bytes += job.n_bytes
        self._open = max(0, self._open - job.n_bytes)
        self._tell()

    def _tell(self) -> None:
        self._quiet_until = time.monotonic() + TELL_S
        done = min(self._all, self._bytes + self._open)
        self._session.step(
            self._files,
            of=len(self._jobs),
            share=done / self._all,
            GB=round(done / 1e9, 3),
            of_GB=round(self._all / 1e9, 3),
        )


def _none_usable(root: Path, refused: list[dict[str, Any]]) -> str:
    lines = [f"{root}: none of the {len(refused)} recordings can be used:"]
    lines += [
        f"  {item['file']}: {item['field']}: {item['problem']}; {item['remedy']}"
        for item in refused[:SHOWN_REFUSALS]
    ]
    if len(refused) > SHOWN_REFUSALS:
        lines.append(f"  and {len(refused) - SHOWN_REFUSALS} more")
    lines.append("mend these files, or give another directory")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
