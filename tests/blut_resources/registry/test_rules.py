"""What an alias takes beside a passing verdict: its own floors, an answerable change, real data."""

from collections.abc import Callable
from typing import Any

import pytest

from blut_resources.files.durable import remove_tree
from blut_resources.registry.models import Authority, Entry, RegistryError
from blut_resources.registry.rules import misses, refuse_worse
from blut_resources.registry.verdicts import EACH, Change, Floor, Incumbent, PromotionRefused, Verdict, judge
from tests.blut_resources.registry.test_versions import ADA, CHANGE, FLOORS, Bench
from tests.blut_resources.registry.test_versions import bench as bench

SEALED, OTHER = "5" * 64, "6" * 64


def test_the_floors_that_count_are_those_pinned_now_and_not_the_candidates_own(bench: Bench) -> None:
    bench.register("one", kl=0.05), bench.register("two", kl=0.02)
    assert bench.promote("prod", 1)[1]
    strict = bench.govern("prod", 0.03)
    told = (
        rf"mine@1 is not promoted to mine@prod: the candidate does not meet the floors that ada pinned for"
        rf" mine@prod on 20.*{strict.floors[:12]}.*gguf: fidelity kl is 0\.05, required <= 0\.03"
    )
    with pytest.raises(PromotionRefused, match=told):
        bench.promote("prod", 1)
    entry, is_new = bench.promote("prod", 2)
    assert is_new and entry.floors == strict.floors


def test_a_floor_that_was_not_measured_is_a_refusal(bench: Bench) -> None:
    bench.register("one")
    more = Floor(kind="evaluation", name="rows", scope="held_out", op=">=", floor=20)
    bench.govern("prod", 0.1, more)
    with pytest.raises(
        PromotionRefused, match=r"held_out: evaluation rows is not measured.*judge it by these"
    ):
        bench.promote("prod", 1)


def test_a_floor_for_each_part_is_asked_of_every_part_that_was_measured() -> None:
    rules = [Floor(kind="codec", name=name, scope=EACH, op=">=", floor=0.9) for name in ("r", "alpha_r")]
    floors = [rule.model_copy(update={"scope": scope, "floor": 0.1}) for rule in rules for scope in "ab"]
    whole = {"a": {"r": 0.95, "alpha_r": 0.95}, "b": {"r": 0.5, "alpha_r": 0.95}}
    assert misses(judge(whole, floors), rules) == ["b: codec r is 0.5, required >= 0.9"]
    assert misses(judge(whole, floors[:3]), rules)[1] == "b: codec alpha_r is not measured, required >= 0.9"
    assert misses(judge(whole, floors), [rules[0].model_copy(update={"kind": "band"})])[0] == (
        "*: band r is not measured, required >= 0.9"
    )


def test_a_governed_alias_without_floors_takes_nothing_and_says_what_to_type(bench: Bench) -> None:
    bench.register("one")
    bench.promote("prod", 1)
    with pytest.raises(RegistryError, match="say why its floors are taken away"):
        bench.registry.release("mine", "prod", Authority())
    bench.registry.release("mine", "prod", ADA)
    with pytest.raises(
        PromotionRefused, match=r"none are pinned: `blut model govern mine@prod --floors FILE"
    ):
        bench.promote("prod", 1)
    assert bench.registry.resolve("mine@prod"), "what it stands for stays"
    told = [(g.action, g.by, g.why) for g in bench.registry.governances("mine")]
    assert told == [("govern", "ada", "a release"), ("release", "ada", "a release")]


def test_any_alias_is_governed_once_floors_are_pinned_for_it(bench: Bench) -> None:
    bench.register("bad", kl=0.5), bench.register("good")
    assert bench.promote("clinic", 1)[0].verdict is None
    bench.govern("clinic")
    with pytest.raises(PromotionRefused, match="without a passing"):
        bench.registry.resolve("mine@clinic")
    with pytest.raises(PromotionRefused, match="the verdict is a fail"):
        bench.promote("clinic", 1)
    assert bench.promote("clinic", 2)[0].verdict


def test_pinned_floors_are_kept_from_collection_until_nothing_rests_on_them(bench: Bench) -> None:
    first = bench.registry.governance("mine")["prod"]
    bench.register("one")
    bench.promote("prod", 1)
    second = bench.govern("prod", 0.2)
    assert {first.floors, second.floors} <= bench.registry.promoted_digests()
    bench.registry.drop("mine", "prod")
    assert first.floors not in bench.registry.promoted_digests()
    same = bench.registry.govern("mine", "prod", floors=second.floors, rules=second.rules, authority=ADA)
    assert same == (second, False)


def change(**fields: str) -> Change:
    return Change(**{**CHANGE.model_dump(), **fields})


UNANSWERED = {
    "change_id 'PCCP-CHG-DRYRUN' is that of a dry run": change(change_id="PCCP-CHG-DRYRUN"),
    "change_id 'dry run 3' is that of a dry run": change(change_id="dry run 3"),
    "description is empty": change(description=" "),
    "author 'blut' is nobody": change(author="blut"),
    "author '' is nobody": change(author=""),
}


@pytest.mark.parametrize("reason", UNANSWERED)
def test_a_governed_alias_takes_only_a_change_that_somebody_answers_for(bench: Bench, reason: str) -> None:
    bench.register("one", change=UNANSWERED[reason])
    with pytest.raises(PromotionRefused, match=f"{reason}: run the recipe again with change_id"):
        bench.promote("prod", 1)
    assert bench.promote("staging", 1)[1]


def test_a_governed_alias_takes_no_verdict_with_reservations(bench: Bench) -> None:
    bench.register("one", reservations=["who is who is guessed: state it"])
    with pytest.raises(PromotionRefused, match="mine@prod is governed, but who is who is guessed: state it"):
        bench.promote("prod", 1)
    assert bench.promote("staging", 1)[1]


def test_what_rests_on_made_up_data_goes_to_aliases_that_say_so(bench: Bench) -> None:
    bench.register("one", synthetic=True), bench.register("two", synthetic=None)
    for alias in ("prod", "staging", "not-synthetic-lab"):
        with pytest.raises(PromotionRefused, match=f"such as mine@synthetic-{alias}"):
            bench.promote(alias, 1)
    assert bench.promote("synthetic-lab", 1)[1]
    with pytest.raises(PromotionRefused, match="does not say whether the candidate rests on synthetic data"):
        bench.promote("prod", 2)
    assert bench.promote("staging", 2)[1]


def test_what_was_judged_where_the_originals_could_be_seen_is_refused(bench: Bench) -> None:
    seen = bench.register("one", isolation="none").version
    unknown, held = bench.register("two").version, bench.register("three", isolation="landlock").version
    with pytest.raises(
        PromotionRefused, match="could not see the originals; this one found nothing to isolate"
    ):
        bench.promote("prod", seen)
    assert bench.promote("prod", unknown)[1], "of a kind of model that is not judged in isolation"
    now = bench.registry.governance("mine")["prod"]
    bench.registry.govern("mine", "prod", floors=now.floors, rules=now.rules, authority=ADA, isolated=True)
    with pytest.raises(PromotionRefused, match="this one does not say what did: judge it on a machine"):
        bench.promote("prod", unknown)
    assert bench.promote("prod", held)[1]
    assert bench.promote("staging", seen)[1]


def sealed(bench: Bench, text: str, kl: float, on: str = SEALED, **fields: Any) -> int:
    return bench.register(text, kl=kl, sealed=on, **fields).version


def test_an_alias_keeps_its_sealed_set_unless_somebody_says_why(bench: Bench) -> None:
    first = sealed(bench, "one", 0.05, tries=1)
    other, unnamed = sealed(bench, "two", 0.02, OTHER, tries=1), bench.register("three", kl=0.02).version
    assert bench.promote("prod", first)[0].sealed == SEALED
    with pytest.raises(
        PromotionRefused, match=r"sealed set 555555555555 since 20.*judged on sealed set 6666.*same ones"
    ):
        bench.promote("prod", other)
    with pytest.raises(PromotionRefused, match="as its verdict does not say"):
        bench.promote("prod", unnamed)
    bench.registry.drop("mine", "prod")
    with pytest.raises(PromotionRefused, match="--new-sealed WHY"):
        bench.promote("prod", other)
    entry, _ = bench.promote("prod", other, new_sealed="three clinics more")
    assert (entry.sealed, entry.new_sealed, entry.tries) == (OTHER, "three clinics more", 1)
    with pytest.raises(PromotionRefused, match="sealed set 666666666666 since"):
        bench.promote("prod", first)


def beside(bench: Bench, *worse: str) -> Incumbent:
    """As the gate measures it: what prod stands for, beside the candidate."""
    held = bench.registry.resolve("mine@prod")
    return Incumbent(candidate=held, figures={"kl": 0.01}, worse=[*worse])


@pytest.mark.parametrize("measured", [True, False], ids=["beside the candidate", "by its own verdict"])
def test_a_worse_candidate_is_refused_unless_somebody_says_why(bench: Bench, measured: bool) -> None:
    bench.promote("prod", sealed(bench, "one", 0.01))
    incumbent = beside(bench, "kl") if measured else None
    worse = sealed(bench, "two", 0.05, incumbent=incumbent)
    with pytest.raises(PromotionRefused, match=r"worse than.*\(version 1\): kl is 0\.05, was 0\.01: say why"):
        bench.promote("prod", worse)
    assert bench.registry.registration("mine@prod").version == 1
    entry, _ = bench.promote("prod", worse, allow_worse="a third of the size")
    assert (entry.worse, entry.allow_worse) == (["kl is 0.05, was 0.01"], "a third of the size")
    better, _ = bench.promote("prod", sealed(bench, "three", 0.005))
    assert better.worse == []


HELD = {"worst_r": 0.98, "worst_prd": 10.0, "prd": 5.0}


def measured(figures: dict[str, float], on: str = SEALED, candidate: str = "a" * 64, **more: Any) -> Verdict:
    """A passing verdict with these summary figures."""
    floors = [
        Floor(kind="codec", name="r", scope="a", op=">=", floor=1),
        Floor(kind="codec", name="prd", scope="a", op="<=", floor=1),
    ]
    fields = {"model": "mine", "change": CHANGE, "candidate": candidate, "inputs": {}, "sealed": on}
    return Verdict.of(judge({"a": {"r": 1, "prd": 1}}, floors), measurements=figures, **fields | more)


def compared(before: Verdict, document: Verdict) -> list[str] | None:
    held = Entry(
        **{"n": 1, "name": "mine", "at": "now", "action": "promote", "alias": "live", "change_id": "CHG-1"},
        candidate=before.candidate,
        verdict=None,
        previous=None,
    )
    return refuse_worse("mine@live", document, held, before, Authority(allow_worse="a test"))


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        ({}, []),
        ({"worst_prd": 10.04}, []),
        ({"worst_prd": 10.06}, ["worst_prd is 10.06, was 10"]),
        ({"worst_r": 0.97995}, []),
        ({"worst_r": 0.9798}, ["worst_r is 0.9798, was 0.98"]),
        ({"worst_r": 0.999, "worst_prd": 1.0}, []),
        ({"prd": 500.0}, []),
    ],
)
def test_worse_is_what_the_worst_part_loses_by_more_than_half_a_percent(
    changes: dict[str, float], worse: list[str]
) -> None:
    assert compared(measured(HELD, candidate="b" * 64), measured(HELD | changes)) == worse


def test_only_what_can_be_compared_is_compared() -> None:
    before = measured({"prd": 5.0}, candidate="b" * 64)
    assert compared(before, measured({"prd": 6.0})) == ["prd is 6, was 5"], "no figure of a worst part"
    assert compared(before, measured({"prd": 6.0}, on=OTHER)) is None
    assert compared(before, measured({"prd": 6.0}, candidate="b" * 64)) is None, "nothing is replaced"
    of_another = Incumbent(candidate="c" * 64, figures={"prd": 1.0}, worse=["prd"])
    assert compared(before, measured({"prd": 4.0}, incumbent=of_another)) == []


def test_without_a_common_sealed_set_nothing_is_compared(bench: Bench) -> None:
    bench.register("one", kl=0.01), bench.register("two", kl=0.05)
    assert bench.promote("prod", 1)[0].worse is None
    assert bench.promote("prod", 2)[0].worse is None


def test_a_rollback_into_floors_that_were_tightened_needs_a_reason(bench: Bench) -> None:
    bench.register("one", kl=0.05), bench.register("two", kl=0.02)
    bench.promote("prod", 1), bench.promote("prod", 2)
    bench.govern("prod", 0.03)
    with pytest.raises(
        PromotionRefused, match=r"not rolled back to version 1.*kl is 0\.05.*--allow-worse WHY"
    ):
        bench.rollback("prod")
    entry = bench.rollback("prod", by="bo", why="two crashes", allow_worse="it runs")
    assert (entry.version, entry.by, entry.why, entry.allow_worse) == (1, "bo", "two crashes", "it runs")


def test_a_rollback_to_what_no_verdict_is_left_of_needs_a_reason(bench: Bench) -> None:
    record = bench.register("one")
    bench.register("two"), bench.promote("prod", 1), bench.promote("prod", 2)
    remove_tree(bench.store.entry(record.verdict))
    with pytest.raises(PromotionRefused, match=r"version 1.*its verdict is not to be had; --allow-worse WHY"):
        bench.rollback("prod")
    assert bench.rollback("prod", allow_worse="it ran for a year").version == 1


def test_the_history_names_who_why_and_on_which_floors(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "eve")
    bench.register("one")
    entry, _ = bench.promote("prod", 1)
    assert (entry.by, entry.author, entry.why, entry.change_id) == ("eve", "Ada", "a retrain", "CHG-1")
    assert entry.floors == bench.registry.governance("mine")["prod"].floors
    staged, _ = bench.promote("staging", 1, by="bo", why="to try")
    assert (staged.by, staged.why) == ("bo", "to try") and staged.floors not in (None, entry.floors)
    assert bench.registry.drop("mine", "staging", Authority(why="tried"))[0].why == "tried"


OLD = """{"action": "promote", "alias": "%s", "at": "2026-01-01T00:00:00.000+00:00", "candidate": "%s", \
"change_id": "CHG-0", "inputs": {}, "n": %d, "name": "mine", "previous": null, "verdict": "%s", \
"version": null}
"""


def test_a_home_of_before_resolves_rolls_back_and_is_governed_from_now_on(bench: Bench) -> None:
    lines = [OLD % ("prod", c, n, "f" * 64) for n, c in enumerate(("c" * 64, "d" * 64), start=1)]
    (bench.registry.root / "mine" / "history.jsonl").write_text("".join(lines))
    (bench.registry.root / "mine" / "governed.jsonl").unlink()
    assert bench.registry.resolve("mine@prod") == "d" * 64
    assert bench.rollback("prod").candidate == "c" * 64
    bench.register("one")
    with pytest.raises(PromotionRefused, match="none are pinned"):
        bench.promote("prod", 1)
    bench.govern("prod")
    assert bench.promote("prod", 1)[0].previous == "c" * 64


def test_who_governs_while_others_promote_is_obeyed_by_the_next(bench: Bench) -> None:
    """Who governs is read again under the lock of the promotion."""
    bench.register("one", kl=0.2)
    judged: Callable[..., Any] = bench.registry.is_governed

    def governed_meanwhile(name: str, alias: str) -> bool:
        answer = judged(name, alias)
        if not bench.registry.governance("mine").get("late"):
            bench.govern("late", 0.5)
        return answer

    bench.registry.is_governed = governed_meanwhile  # type: ignore[method-assign]
    with pytest.raises(PromotionRefused, match="mine@late has become governed meanwhile"):
        bench.promote("late", 1)
    assert bench.registry.history("mine") == []


def test_floors_are_pinned_by_rules_and_never_by_none(bench: Bench) -> None:
    with pytest.raises(ValueError, match="rules"):
        bench.registry.govern("mine", "prod", floors="f" * 64, rules=[], authority=ADA)
    with pytest.raises(RegistryError, match="digits alone"):
        bench.registry.govern("mine", "3", floors="f" * 64, rules=FLOORS, authority=ADA)
