"""A verdict passes only if everything asked for was measured, finite and met; nothing else promotes."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blut_resources.files.digest import digest_path
from blut_resources.registry.verdicts import (
    EACH,
    Change,
    Floor,
    Incumbent,
    PromotionRefused,
    Verdict,
    judge,
    parse_verdict,
    require_pass,
)
from tests.swapped import swapped_when_opened

FLOORS = [
    Floor(kind="acceptance", name="r", scope="rec1", op=">=", floor=0.98),
    Floor(kind="acceptance", name="prdn", scope="rec1", op="<=", floor=18),
    Floor(kind="integrity", name="violations", scope="all", op="==", floor=0),
]
GOOD = {"rec1": {"r": 0.99, "prdn": 12.5}, "all": {"violations": 0}}
CANDIDATE, OTHER = "a" * 64, "b" * 64
IN_FORCE: dict[str, Any] = {
    "candidate": CANDIDATE,
    "model": "codec",
    "inputs": {"registry": "c" * 64},
    "floors": FLOORS,
}


def verdict(measured: dict[str, dict[str, Any]] = GOOD, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "model": "codec",
        "change": Change(change_id="CHG-1", change_class="A.1"),
        "candidate": CANDIDATE,
        "inputs": {"registry": "c" * 64},
        "measurements": {"r": 0.99},
    }
    return Verdict.of(judge(measured, FLOORS), **fields | changes)


def stored(folder: Path, document: Verdict | bytes) -> str:
    folder.mkdir(exist_ok=True)
    data = document if isinstance(document, bytes) else document.to_json()
    (folder / "verdict.json").write_bytes(data)
    return digest_path(folder)


def edited(document: Verdict, edit: Any) -> bytes:
    data = json.loads(document.to_json())
    edit(data)
    return json.dumps(data).encode()


def test_a_verdict_passes_when_every_floor_is_met_and_survives_storage():
    made = verdict()
    assert made.passed and not made.reasons
    assert parse_verdict(made.to_json()) == made
    assert parse_verdict(made.to_json()).to_json() == made.to_json()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, "0.99", True, [0.99]], ids=lambda value: repr(value)
)
def test_what_is_not_a_finite_number_fails_its_floor(value):
    criterion = judge({"rec1": {"r": value}}, FLOORS[:1])[0]
    assert criterion.measured is None and not criterion.passed
    assert "r is not measured, required >= 0.98" in criterion.sentence()


@pytest.mark.parametrize("measured", [{}, {"rec1": {}}, {"rec2": {"r": 1.0}}, {"rec1": {"R": 1.0}}])
def test_what_was_not_measured_fails_its_floor(measured):
    assert not judge(measured, FLOORS[:1])[0].passed


def test_a_floor_is_compared_without_rounding():
    just_below = math.nextafter(0.98, 0)
    assert judge({"rec1": {"r": 0.98}}, FLOORS[:1])[0].passed
    assert not judge({"rec1": {"r": just_below}}, FLOORS[:1])[0].passed


def test_a_figure_that_equals_its_floor_meets_it_whichever_way_it_is_compared():
    at_the_floor = {floor.scope: {floor.name: floor.floor} for floor in FLOORS[1:]}
    assert all(criterion.passed for criterion in judge(at_the_floor, FLOORS[1:]))
    just_above = {"rec1": {"prdn": math.nextafter(18, 19)}, "all": {"violations": 1e-9}}
    assert not any(criterion.passed for criterion in judge(just_above, FLOORS[1:]))


def test_a_figure_that_cannot_be_was_not_measured():
    found = judge({"rec1": {"r": 1.5, "prdn": 12}}, FLOORS[:2], lambda name, value: name != "r" or value <= 1)
    assert [(criterion.measured, criterion.passed) for criterion in found] == [(None, False), (12, True)]


def test_nothing_judged_is_a_fail():
    empty = Verdict.of(
        [],
        model="codec",
        change=Change(change_id="CHG-1", change_class="A.1"),
        candidate=CANDIDATE,
        inputs={},
        measurements={},
    )
    assert not empty.passed and empty.reasons == ["nothing was judged: no criteria"]


def test_a_reason_against_the_candidate_fails_it_although_every_floor_is_met():
    made = verdict(reasons=["a recording lies in two splits"])
    assert not made.passed and made.reasons == ["a recording lies in two splits"]


def test_a_floor_must_be_a_finite_number():
    for floor in (math.nan, math.inf, "0.9", True):
        with pytest.raises(ValidationError):
            Floor.model_validate({"kind": "k", "name": "r", "scope": "s", "op": ">=", "floor": floor})


def test_a_failed_criterion_says_what_was_measured_and_required():
    made = verdict({"rec1": {"r": 0.5, "prdn": 12}, "all": {"violations": 0}})
    assert made.reasons == ["rec1: acceptance r is 0.5, required >= 0.98"]


BAD = {"rec1": {"r": 0.5, "prdn": 12.5}, "all": {"violations": 0}}


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(passed=True),
        lambda d: d.update(passed=True, reasons=[]),
        lambda d: d.update(passed=1),
        lambda d: d["criteria"][0].update(passed=True),
        lambda d: [d.update(passed=True, reasons=[]), d["criteria"][0].update(passed=True)],
        lambda d: d.update(passed=True, reasons=[], criteria=[]),
        lambda d: [d.update(passed=True, reasons=[]), d["criteria"].append(dict(d["criteria"][1]))],
        lambda d: [d.update(passed=True, reasons=[]), d["criteria"][0].update(measured="0.99", passed=True)],
        lambda d: d.pop("criteria"),
        lambda d: d.pop("candidate"),
        lambda d: d.update(promoted=True),
    ],
)
def test_a_hand_edited_verdict_that_contradicts_itself_is_not_read(edit):
    with pytest.raises(PromotionRefused, match="not a verdict"):
        parse_verdict(edited(verdict(BAD), edit))


def test_a_criterion_that_is_met_is_met_once():
    with pytest.raises(PromotionRefused, match="a criterion appears twice"):
        parse_verdict(edited(verdict(), lambda d: d["criteria"].append(dict(d["criteria"][1]))))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a verdict"),
        (b"[]", "not a verdict"),
        (b'{"passed": false, "passed": true}', "appears twice"),
        (verdict().to_json().replace(b'"measured": 0.99', b'"measured": NaN'), "NaN is not a finite"),
        (verdict().to_json().replace(b'"measured": 0.99', b'"measured": 1e999'), "not a verdict"),
        (b" " * (16 * 2**20 + 1), "more than"),
        (b"[" * 100_000, "not a verdict"),
    ],
    ids=["empty", "list", "repeated member", "NaN", "overflow", "huge", "deep"],
)
def test_bytes_that_are_no_verdict_are_refused(data, reason):
    with pytest.raises(PromotionRefused, match=reason):
        parse_verdict(data)


def test_exactly_the_judged_candidate_may_be_promoted(tmp_path):
    digest = stored(tmp_path / "v", verdict())
    document = require_pass(tmp_path / "v", verdict=digest, **IN_FORCE)
    assert document.passed


def test_a_failing_verdict_is_refused_with_its_reasons(tmp_path):
    digest = stored(tmp_path / "v", verdict(BAD))
    with pytest.raises(PromotionRefused, match=r"the verdict is a fail: rec1: acceptance r is 0\.5"):
        require_pass(tmp_path / "v", verdict=digest, **IN_FORCE)


def test_a_verdict_of_another_candidate_in_the_same_place_is_refused(tmp_path):
    mine = stored(tmp_path / "v", verdict())
    other = stored(tmp_path / "v", verdict(candidate=OTHER))
    with pytest.raises(PromotionRefused, match="changed or replaced after it was made"):
        require_pass(tmp_path / "v", verdict=mine, **IN_FORCE)
    with pytest.raises(PromotionRefused, match=f"about candidate {OTHER}, not {CANDIDATE}"):
        require_pass(tmp_path / "v", verdict=other, **IN_FORCE)


def test_a_consistent_hand_edit_is_found_by_the_digest(tmp_path):
    digest = stored(tmp_path / "v", verdict(BAD))

    def forge(document: dict[str, Any]) -> None:
        document["criteria"][0].update(measured=0.999, passed=True)
        document.update(passed=True, reasons=[])

    forged = edited(verdict(BAD), forge)
    assert parse_verdict(forged).passed  # nothing in the document itself betrays it
    stored(tmp_path / "v", forged)
    with pytest.raises(PromotionRefused, match="changed or replaced after it was made"):
        require_pass(tmp_path / "v", verdict=digest, **IN_FORCE)


def test_a_verdict_that_is_swapped_between_two_reads_is_not_believed(tmp_path):
    failing, passing = verdict(BAD).to_json(), verdict().to_json()
    for first, second in ((failing, passing), (passing, failing)):
        digest = stored(tmp_path / "v", first)
        with swapped_when_opened(tmp_path / "v" / "verdict.json", [first, second]) as opened:
            if first == failing:
                with pytest.raises(PromotionRefused, match="the verdict is a fail"):
                    require_pass(tmp_path / "v", verdict=digest, **IN_FORCE)
            else:
                assert require_pass(tmp_path / "v", verdict=digest, **IN_FORCE).passed
            assert len(opened) == 1, "what is digested is what is decided on"


def test_a_verdict_by_weaker_or_fewer_floors_than_those_in_force_is_refused(tmp_path):
    digest = stored(tmp_path / "v", verdict())
    stricter = [FLOORS[0].model_copy(update={"floor": 0.985}), *FLOORS[1:]]
    more = [*FLOORS, Floor(kind="band", name="beta_prd", scope="rec1", op="<=", floor=40)]
    for floors, reason in (
        (stricter, "judged by another floor: acceptance r of rec1"),
        (more, "band beta_prd of rec1"),
        (FLOORS[:2], "judged what no floor asks for: integrity violations of all"),
        ([], "no floors are in force"),
    ):
        with pytest.raises(PromotionRefused, match=reason):
            require_pass(tmp_path / "v", verdict=digest, **IN_FORCE | {"floors": floors})


def test_a_floor_for_each_part_stands_for_one_of_every_part_judged(tmp_path):
    digest = stored(tmp_path / "v", verdict())
    each = [floor.model_copy(update={"scope": EACH}) for floor in FLOORS[:2]]
    assert require_pass(tmp_path / "v", verdict=digest, **IN_FORCE | {"floors": [*each, FLOORS[2]]}).passed
    more = Floor(kind="band", name="beta_prd", scope=EACH, op="<=", floor=40)
    with pytest.raises(PromotionRefused, match=r"band beta_prd of \*"):
        require_pass(tmp_path / "v", verdict=digest, **IN_FORCE | {"floors": [*FLOORS, more]})


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"candidate": ""}, "not \\(none\\)"),
        ({"verdict": ""}, "not \\(none\\)"),
        ({"model": "decoder"}, "about model codec, not decoder"),
        ({"inputs": {"registry": "d" * 64}}, "about registry c"),
        ({"inputs": {"split": "d" * 64}}, "about split \\(none\\)"),
    ],
)
def test_a_verdict_about_something_else_is_refused(tmp_path, wanted, reason):
    digest = stored(tmp_path / "v", verdict())
    with pytest.raises(PromotionRefused, match=reason):
        require_pass(tmp_path / "v", **IN_FORCE | {"verdict": digest} | wanted)


def test_without_a_verdict_nothing_is_promoted(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(PromotionRefused, match=r"there is no verdict\.json"):
            require_pass(place, verdict="c" * 64, **IN_FORCE)


@pytest.mark.parametrize(
    "fields",
    [
        {"change_id": ""},
        {"change_id": "  "},
        {"change_id": "a/b"},
        {"change_id": "a\\b"},
        {"change_id": "..a"},
        {"change_id": "x" * 129},
        {"change_id": "a\nb"},
        {"description": "x" * 513},
        {"description": "ä" * 257},
        {"author": "bell\x07"},
        {"change_class": ""},
        {"reviewer": "me"},
    ],
)
def test_a_change_with_unusable_text_is_refused(fields):
    with pytest.raises(ValidationError):
        Change.model_validate({"change_id": "CHG-1", "change_class": "A.1"} | fields)


def test_a_tab_in_a_description_is_allowed():
    assert Change(change_id="CHG-1", change_class="A.1", description="a\tb").description == "a\tb"


def test_a_verdict_of_before_is_read_and_what_it_does_not_say_is_unknown():
    document = parse_verdict(verdict().to_json())
    assert b"synthetic" not in verdict().to_json()
    assert (document.synthetic, document.isolation, document.tries, document.incumbent) == (None,) * 4


def test_a_verdict_says_what_it_was_measured_on_and_against():
    made = verdict(
        synthetic=False,
        isolation="landlock",
        environment="e" * 64,
        sealed="f" * 64,
        tries=3,
        incumbent=Incumbent(candidate=OTHER, figures={"r": 0.995}, worse=["r"]),
    )
    assert parse_verdict(made.to_json()) == made
    for field, value in (("synthetic", "no"), ("isolation", "hope"), ("tries", 0), ("sealed", "")):
        with pytest.raises(PromotionRefused, match=field):
            parse_verdict(edited(made, lambda d, f=field, v=value: d.update({f: v})))
