"""Defines fail-closed verdicts: floors, what was measured against them, and the check before a promotion.

Nothing here knows a domain. A cookbook turns its registry of floors into `Floor` objects, measures, calls
`judge`, and stores a `Verdict` as ``verdict.json``. Promotion calls `require_pass`, which reads the stored
bytes again and believes no field that it can recompute.

The rules, all of them towards refusal: a floor without a measurement fails; a measurement that is not a
finite number fails; a verdict without criteria fails; a verdict whose ``passed`` does not follow from its
criteria is not a verdict.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from blut_resources.files.digest import read_digested
from blut_resources.files.durable import StoreError
from blut_resources.text import said_of

VERDICT_FILE = "verdict.json"
MAX_VERDICT_BYTES = 16 * 2**20

OPTIONAL = ("synthetic", "isolation", "environment", "sealed", "tries", "incumbent", "reservations")
"""Fields of a verdict that documents of before may lack."""

EACH = "*"
"""The scope of a floor that every part must meet: each recording, each channel."""

Isolation = Literal["landlock", "namespaces", "none"]
Op = Literal[">=", "<=", "=="]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Measurements = Mapping[str, Mapping[str, Any]]


class PromotionRefused(Exception):
    """Says that a candidate may not be promoted; the message is the exact reason."""


class _Document(BaseModel, frozen=True):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Floor(_Document, frozen=True):
    """Requires that the measurement ``name`` of ``scope`` stands in relation ``op`` to ``floor``.

    ``scope`` is the thing measured (a recording, a prompt set) or the whole of them; ``kind`` groups floors
    for the reader. Both are the cookbook's words.
    """

    kind: str = Field(min_length=1)
    name: str = Field(min_length=1)
    scope: str = Field(min_length=1)
    op: Op
    floor: Finite

    def satisfied_by(self, measured: float | None) -> bool:
        """Says whether a measurement meets the floor, compared without rounding; None never does."""
        if measured is None or not math.isfinite(measured):
            return False
        if self.op == ">=":
            return measured >= self.floor
        return measured <= self.floor if self.op == "<=" else measured == self.floor


class Criterion(Floor, frozen=True):
    """Holds a floor and what was measured; None where there was no finite number."""

    measured: Finite | None
    passed: Annotated[bool, Field(strict=True)]

    @model_validator(mode="after")
    def _follows(self) -> Self:
        if self.passed != self.satisfied_by(self.measured):
            raise ValueError(f"passed is {self.passed}, which {self.sentence()} contradicts")
        return self

    def as_floor(self) -> Floor:
        """Returns the requirement without the measurement."""
        return Floor(kind=self.kind, name=self.name, scope=self.scope, op=self.op, floor=self.floor)

    def sentence(self) -> str:
        """Returns the criterion in words, for reasons and logs."""
        measured = "not measured" if self.measured is None else f"{self.measured:.6g}"
        return f"{self.scope}: {self.kind} {self.name} is {measured}, required {self.op} {self.floor:g}"


def judge(
    measurements: Measurements,
    floors: Iterable[Floor],
    possible: Callable[[str, float], bool] = lambda _name, _value: True,
) -> list[Criterion]:
    """Returns every floor against ``measurements[scope][name]``;
    what is missing or not a finite number fails.

    Args:
        possible: whether a figure of this name can have this value; what cannot be was not measured.
    """
    criteria = []
    for floor in floors:
        measured = _finite(measurements.get(floor.scope, {}).get(floor.name))
        if measured is not None and not possible(floor.name, measured):
            measured = None
        passed = floor.satisfied_by(measured)
        criteria.append(Criterion(**floor.model_dump(), measured=measured, passed=passed))
    return criteria


class Change(_Document, frozen=True):
    """Says who proposes the candidate and why; free text is bounded and carries no control characters.

    The record is stored with the verdict, so ``change_id`` may not be empty or look like a path.
    """

    change_id: str = Field(min_length=1)
    description: str = ""
    author: str = ""
    change_class: str = Field(min_length=1)

    @field_validator("change_id", "description", "author", "change_class")
    @classmethod
    def _plain(cls, text: str) -> str:
        if len(text.encode()) > 512:
            raise ValueError("longer than 512 bytes")
        if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in text):
            raise ValueError("holds a control character; only tab is allowed")
        return text

    @field_validator("change_id")
    @classmethod
    def _not_a_path(cls, text: str) -> str:
        if len(text.encode()) > 128:
            raise ValueError("longer than 128 bytes")
        if not text.strip() or "/" in text or "\\" in text or ".." in text:
            raise ValueError("is blank, or holds '/', '\\' or '..'")
        return text


class Incumbent(_Document, frozen=True):
    """Says what the alias stood for at the judgement, measured on the same sealed recordings.

    ``candidate`` is its digest, ``figures`` are its summary figures by the verdict's names, and ``worse``
    names those on which the judged candidate does worse.
    """

    candidate: str = Field(min_length=1)
    figures: dict[str, Finite | None]
    worse: list[str]


class Verdict(_Document, frozen=True):
    """Judges exactly one candidate, named by the digest of its bytes.

    ``inputs`` names by digest everything else the judgement rests on. ``reasons`` says why it failed and is
    empty for a pass. ``measurements`` are the summary figures; ``details`` is the cookbook's own report.

    ``synthetic`` says whether any data behind it is made up; ``isolation`` what kept the judging processes
    from the originals; ``environment`` is the digest of what they ran in; ``sealed`` that of the set it was
    measured on; ``tries`` the candidate's place among all that were judged on that set; ``incumbent`` what
    it would replace; ``reservations`` say, with the remedy, what a governed alias refuses although every
    floor is met. None of these means unknown, and is left out of the stored document.
    """

    format: Literal["blut.verdict.v1"] = Field("blut.verdict.v1", alias="schema")
    model: str = Field(min_length=1)
    change: Change
    candidate: str = Field(min_length=1)
    inputs: dict[str, str]
    passed: Annotated[bool, Field(strict=True)]
    criteria: list[Criterion]
    reasons: list[str]
    measurements: dict[str, Finite | None]
    details: dict[str, Any] = {}
    synthetic: Annotated[bool, Field(strict=True)] | None = None
    isolation: Isolation | None = None
    environment: str | None = Field(None, min_length=1)
    sealed: str | None = Field(None, min_length=1)
    tries: int | None = Field(None, ge=1, strict=True)
    incumbent: Incumbent | None = None
    reservations: list[str] | None = None

    @model_validator(mode="after")
    def _follows(self) -> Self:
        names = [(c.kind, c.name, c.scope) for c in self.criteria]
        if len(set(names)) != len(names):
            raise ValueError("a criterion appears twice")
        holds = verdict_holds(self.criteria, self.reasons)
        if self.passed != holds:
            raise ValueError(f"passed is {self.passed}, but its criteria and reasons make it {holds}")
        return self

    @classmethod
    def of(cls, criteria: Sequence[Criterion], *, reasons: Sequence[str] = (), **fields: Any) -> Self:
        """Returns a verdict whose ``passed`` follows from the criteria; each failed one becomes a reason."""
        failed = [c.sentence() for c in criteria if not c.passed]
        everything = [*reasons, *failed] if criteria else [*reasons, "nothing was judged: no criteria"]
        holds = verdict_holds(criteria, everything)
        return cls(criteria=list(criteria), reasons=everything, passed=holds, **fields)

    def to_json(self) -> bytes:
        """Returns the document as it is stored: sorted keys, no NaN, one trailing newline."""
        unknown = {name for name in OPTIONAL if getattr(self, name) is None}
        document = self.model_dump(mode="json", by_alias=True, exclude=unknown)
        return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def verdict_holds(criteria: Sequence[Criterion], reasons: Sequence[str]) -> bool:
    """Pass only if something was judged, all of it passed, and nothing speaks against it."""
    return bool(criteria) and not reasons and all(c.satisfied_by(c.measured) for c in criteria)


def parse_verdict(data: bytes) -> Verdict:
    """Returns a verdict from its stored bytes.

    Raises:
        PromotionRefused: if the bytes are too many, are not JSON with distinct members and finite numbers,
            or are a document that contradicts itself.
    """
    if len(data) > MAX_VERDICT_BYTES:
        raise PromotionRefused(f"{VERDICT_FILE} is {len(data)} bytes, more than {MAX_VERDICT_BYTES}")
    try:
        document = json.loads(data, object_pairs_hook=_distinct, parse_constant=_no_constant)
        return Verdict.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'document'}: {said_of(e)}" for e in error.errors()
        )
        raise PromotionRefused(f"{VERDICT_FILE} is not a verdict: {problems}") from error
    except (ValueError, RecursionError) as error:
        raise PromotionRefused(f"{VERDICT_FILE} is not a verdict: {error}") from error


def read_verdict(artifact: Path, digest: str) -> Verdict:
    """Returns the verdict in a file or directory with this digest, passed or not; its bytes are read once.

    Raises:
        PromotionRefused: if it is missing, was changed since its digest was taken, or is not a verdict.
    """
    path = artifact / VERDICT_FILE if artifact.is_dir() else artifact
    if not path.is_file():
        raise PromotionRefused(f"there is no {VERDICT_FILE}: judge the candidate before promoting it")
    try:
        data, found = read_digested(artifact, VERDICT_FILE)
    except StoreError as error:
        raise PromotionRefused(f"the verdict cannot be read: {error}") from error
    if not digest or found != digest:
        raise PromotionRefused(
            f"the verdict's bytes have digest {found}, not {digest or '(none)'}: it was changed or replaced "
            "after it was made; judge the candidate again"
        )
    return parse_verdict(data)


def require_pass(
    artifact: Path,
    *,
    candidate: str,
    verdict: str,
    model: str,
    inputs: Mapping[str, str],
    floors: Iterable[Floor],
) -> Verdict:
    """Returns the verdict in ``artifact``, if it lets exactly this candidate pass.

    Args:
        artifact: directory (or file) that holds ``verdict.json``.
        candidate: digest of the bytes that are to be promoted.
        verdict: digest of the verdict artifact, as the run that made it recorded it.
        model: the model the verdict must be about.
        inputs: digests that the verdict must name, such as the floor registry in force now.
        floors: the requirements in force now; the verdict must have judged exactly these.

    Raises:
        PromotionRefused: with the first reason found.
    """
    document = read_verdict(artifact, verdict)
    require_about(document, candidate=candidate, model=model)
    if not inputs:
        raise PromotionRefused("a promotion names what its verdict rests on: no inputs were given")
    for name, digest in inputs.items():
        _require_same(name, document.inputs.get(name), digest)
    _require_floors(document, list(floors))
    if not document.passed:
        raise PromotionRefused("the verdict is a fail: " + "; ".join(document.reasons))
    return document


def require_about(document: Verdict, *, candidate: str, model: str) -> None:
    """Refuse a verdict on anything but this candidate of this model, passed or not.

    Raises:
        PromotionRefused: naming what it is about.
    """
    _require_same("candidate", document.candidate, candidate)
    _require_same("model", document.model, model)


def _require_same(name: str, judged: str | None, wanted: str) -> None:
    if not wanted or judged != wanted:
        raise PromotionRefused(
            f"the verdict is about {name} {judged or '(none)'}, not {wanted or '(none)'}: judge this one"
        )


def applied(floors: Iterable[Floor], criteria: Iterable[Criterion]) -> list[Floor]:
    """Returns the floors, with one whose scope is `EACH` for every scope that a criterion of its kind has.

    Where there is no such criterion it stays as it is, and so is one that nothing meets.
    """
    scopes: dict[str, dict[str, None]] = {}
    for criterion in criteria:
        scopes.setdefault(criterion.kind, {})[criterion.scope] = None
    return [
        floor.model_copy(update={"scope": scope})
        for floor in floors
        for scope in (scopes.get(floor.kind, [EACH]) if floor.scope == EACH else [floor.scope])
    ]


def _require_floors(document: Verdict, floors: list[Floor]) -> None:
    judged = {c.as_floor() for c in document.criteria}
    wanted = set(applied(floors, document.criteria))
    if not wanted:
        raise PromotionRefused("no floors are in force: a candidate cannot pass nothing")
    if missing := sorted(f"{f.kind} {f.name} of {f.scope}" for f in wanted - judged):
        raise PromotionRefused(f"the verdict did not judge, or judged by another floor: {', '.join(missing)}")
    if extra := sorted(f"{f.kind} {f.name} of {f.scope}" for f in judged - wanted):
        raise PromotionRefused(f"the verdict judged what no floor asks for: {', '.join(extra)}")


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a JSON member appears twice")
    return members


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")
