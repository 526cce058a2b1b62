"""Makes the verdict of a gate: what every gate checks alike.

A payload opens a `Judgement`, notes what it finds and measures, and asks for the verdict. What it does not
note or measure is missing, and what is missing fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cookbooks.lamquant.gate.checks as checks
import cookbooks.lamquant.gate.worst as worst
from blut_resources.payload_kit.config import Bounds
from blut_resources.payload_kit.refuse import Refused
from blut_resources.registry.verdicts import Change, Incumbent, Isolation, Verdict, judge
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.gate.findings import GateFindings, measure_files
from cookbooks.lamquant.gate.floors import CORPUS, INTEGRITY, STRETCH_SECONDS, load_registry, possible
from cookbooks.lamquant.gate.grade import lqs_level
from cookbooks.lamquant.gate.in_force import registry_for
from cookbooks.lamquant.gate.kinds import GateName
from cookbooks.lamquant.gate.report import report, summary
from cookbooks.lamquant.gate.split import read_split, sealed_digest
from cookbooks.lamquant.subjects.names import patient_key

Digest = Annotated[str, Bounds(1)]
JUDGED = ("candidate", "corpus", "split", "registry")
"""Inputs of every gate."""
OF_FILES = INTEGRITY[-3:]
"""Checks that are made where files are measured."""
COUNTED = "_violations"


class InputMissing(Refused):
    """Says that an input is not there; the message names it."""


@dataclass(frozen=True)
class ComputedBy:
    """Holds the digest of what the processes of the verdict run in, and its listing."""

    digest: Digest
    listing: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class JudgementSettings:
    """Says what a verdict is about: the digests that the graph recorded, by input, and the change."""

    digests: dict[str, str]
    split: str
    change: Change
    tries: Annotated[int, Bounds(1)] | None = None
    isolation: Isolation | None = None
    environment: ComputedBy | None = None


class Judgement:
    """Collects what a gate finds of one candidate.

    Attributes:
        registry: the floors.
        corpus: the recordings; what is sealed are those of ``stems``.
        split: who is on which side.
        stems: the sealed recordings, sorted.
        measured: figures by scope: a recording's stem, or `CORPUS`.
        findings: of the files of a codec, where they were measured.
    """

    def __init__(
        self,
        gate: GateName | None,
        settings: JudgementSettings,
        inputs: Mapping[str, Path],
        *,
        digested: Sequence[str] = (),
        needed: Sequence[str] = (),
    ) -> None:
        """Open what is judged, and check that nothing of it was changed.

        Args:
            gate: whose judgement it is; None is the joint codec's, whose registry is of the first version.
            settings: of the payload.
            inputs: of the payload.
            digested: inputs besides `JUDGED` that the verdict rests on.
            needed: further inputs that must be there.

        Raises:
            InputMissing, RegistryInvalid, SplitInvalid, CorpusError: there is nothing to judge by.
        """
        wanted = (*JUDGED, *digested, *needed)
        for name in wanted:
            if name not in inputs or not inputs[name].exists():
                raise InputMissing(f"input {name} is missing: a verdict needs {', '.join(wanted)}")
        if lost := [name for name in JUDGED if not settings.digests.get(name)]:
            raise InputMissing(f"digests: {', '.join(lost)} is missing: name what is judged by its digest")
        self.settings, self.inputs = settings, dict(inputs)
        path = inputs["registry"]
        self.registry = registry_for(gate, path) if gate else load_registry(path)
        self.registry.authorise(settings.change)
        self.violations: dict[str, list[str]] = {}
        self.measured: dict[str, dict[str, Any]] = {CORPUS: {}}
        self.findings = GateFindings()
        judged = [*JUDGED, *digested]
        self._digests, changed = checks.unchanged(
            {name: inputs[name] for name in judged}, {name: settings.digests.get(name) for name in judged}
        )
        self.note("inputs_unchanged", changed)
        self.corpus, self.split = open_corpus(inputs), read_split(inputs["split"])
        self.stems = self.split.of("test")
        self._note_split()

    def note(self, check: str, problems: Iterable[str]) -> None:
        """Add the violations of an integrity check; none found has to be noted, too.

        Args:
            check: the figure that counts them, with or without ``_violations`` at its end.
            problems: sentences.
        """
        self.violations.setdefault(check, []).extend(problems)

    def note_training(self, candidate: Path, description: str = checks.DESCRIPTION) -> None:
        """Note test patients that a candidate was trained or selected on; ``windows`` is an input.

        ``description`` is the candidate's file that names them.
        """
        windows = self.inputs["windows"]
        found = checks.seen_in_training(
            candidate, windows, self.corpus.index, self.split, description=description
        )
        self.note("test_patients_unseen", found)

    def measure_coding(self, model: Path, bitstreams: Path, decoded: Path) -> None:
        """Measure the files of a codec against the originals.

        Args:
            model: whose digest the files must carry.
            bitstreams: a file for each sealed recording.
            decoded: integers ``[C, T]`` for each.
        """
        files = {"candidate": model, "bitstreams": bitstreams, "decoded": decoded}
        fidelity, found = self.registry.fidelity(), self.findings
        stretch_s = fidelity.stretch_floors().seconds if fidelity else STRETCH_SECONDS
        measure_files(found, self.corpus, self.stems, files, stretch_s)
        for name in OF_FILES:
            self.note(name, found.violations[name])
        for stem, figures in found.figures.items():  # the corpus knows nothing of shared content
            figures["subject"] = self.split.people.get(stem, figures["subject"])
            self.measured.setdefault(stem, {}).update(figures)
        rows = found.figures.values()
        self.measured[CORPUS] |= {
            "recordings": len(rows),
            "patients": len({patient_key(row["subject"]) for row in rows}),
            "samples": sum(row["samples"] for row in rows),
        }

    def summary(self) -> dict[str, float | None]:
        """Returns the summary figures of a codec's files."""
        return summary(self.findings.figures, self.stems)

    def verdict(
        self,
        measurements: Mapping[str, float | None],
        *,
        synthetic: bool,
        details: Mapping[str, Any],
        incumbent: Incumbent | None = None,
    ) -> Verdict:
        """Returns the verdict on everything that was noted and measured.

        Args:
            measurements: the summary figures.
            synthetic: whether any data behind the candidate or the verdict is made up.
            details: what the page shows besides.
            incumbent: what the candidate would replace.
        """
        told: dict[str, Any] = {"registry": {"model": self.registry.model, "version": self.registry.version}}
        whole = self.measured[CORPUS]
        if fidelity := self.registry.fidelity():
            told |= report(self.findings.figures, self.stems, fidelity)
            whole["lqs_level"] = lqs_level(told["grade"])
        whole |= self._counted()
        floors = self.registry.required(self.stems)
        rows = self.findings.rows(floors)
        environment = self.settings.environment
        return Verdict.of(
            judge(self.measured, floors, possible),
            reasons=[*self._reasons(), *worst.missed_by_parts(rows)],
            model=self.registry.model,
            change=self.settings.change,
            candidate=self.settings.digests["candidate"],
            inputs={name: digest for name, digest in self._digests.items() if name != "candidate"},
            measurements=dict(measurements),
            synthetic=synthetic,
            sealed=sealed_digest(self.corpus.index, self.stems),
            tries=self.settings.tries,
            incumbent=incumbent,
            isolation=self.settings.isolation,
            environment=environment.digest if environment else None,
            reservations=self.split.reservations() or None,
            details={
                **told,
                **({"split": dict(self.split.files)} if self.split.files else {}),
                "worst": rows[: worst.MAX_ROWS],
                **({"environment": environment.listing} if environment else {}),
                **details,
            },
        )

    def _counted(self) -> dict[str, int]:
        """Returns the integrity figures; a check that nobody made has none, and so fails."""
        found = {figure: self._found(figure) for figure in self.registry.integrity()}
        return {figure: len(problems) for figure, problems in found.items() if problems is not None}

    def _reasons(self) -> list[str]:
        """Returns every violation as a sentence, in the order of the registry's checks."""
        return [
            f"{figure.removesuffix(COUNTED)}: {problem}"
            for figure in self.registry.integrity()
            for problem in self._found(figure) or ()
        ]

    def _found(self, figure: str) -> list[str] | None:
        return self.violations.get(figure, self.violations.get(figure.removesuffix(COUNTED)))

    def _note_split(self) -> None:
        """Note what is wrong with who is sealed."""
        asked = self.settings.split
        if asked != "test":
            problem = f"asked to judge on {asked!r}; only the sealed test split counts"
            self.note("sealed_test_split", [problem])
        self.note("sealed_test_split", [] if self.stems else ["the split has no test recording"])
        self.note("patients_disjoint", checks.disjoint_patients(self.corpus.index, self.split))
        # what the corpus lacks was just noted, and cannot be compared
        there = self.split.recordings.keys() <= self.corpus.entries.keys()
        self.note(
            "no_duplicates_across_splits",
            checks.shared_content(self.split, self.corpus.open) if there else [],
        )


def facts_of(verdict: Verdict, *figures: str) -> dict[str, Any]:
    """Returns what an artifact says of a verdict: whether it passed, and some of its summary figures."""
    return {
        "candidate": verdict.candidate,
        "passed": verdict.passed,
        "n_failed_criteria": sum(not criterion.passed for criterion in verdict.criteria),
        **{name: verdict.measurements[name] for name in figures},
    }
