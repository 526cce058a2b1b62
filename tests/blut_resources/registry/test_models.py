"""Promotion, history and rollback on disk; what survives a crash and what is refused."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from blut_resources.registry.models import ModelRegistry, RegistryError
from blut_resources.registry.verdicts import Change, Floor, PromotionRefused, Verdict, judge
from blut_resources.store.artifacts import ArtifactStore

FLOORS = [Floor(kind="acceptance", name="r", scope="rec1", op=">=", floor=0.98)]


INPUTS = {"corpus": "c" * 64}


def judged(store: ArtifactStore, candidate: str, r: float = 0.99, model: str = "codec") -> str:
    """The digest of a verdict in the store."""
    made = Verdict.of(
        judge({"rec1": {"r": r}}, FLOORS),
        model=model,
        change=Change(
            change_id=f"CHG-{candidate}", change_class="A.1", description=f"why {candidate}", author="Ada"
        ),
        candidate=candidate,
        inputs=INPUTS,
        measurements={"r": r},
        synthetic=False,
    )
    folder = store.staging()
    (folder / "verdict.json").write_bytes(made.to_json())
    return store.put(folder)


@pytest.fixture
def registry(tmp_path):
    return ModelRegistry(tmp_path / "registry")


def wanted(tmp_path: Path, candidate: str, verdict: str) -> dict[str, Any]:
    return {
        "candidate": candidate,
        "verdict": verdict,
        "store": ArtifactStore(tmp_path / "store"),
        "inputs": INPUTS,
        "floors": FLOORS,
    }


def promote(registry: ModelRegistry, tmp_path: Path, candidate: str, alias: str = "live"):
    verdict = judged(ArtifactStore(tmp_path / "store"), candidate)
    return registry.promote("codec", alias, **wanted(tmp_path, candidate, verdict))


def rollback(registry: ModelRegistry, tmp_path: Path, name: str = "codec"):
    return registry.rollback(name, "live", ArtifactStore(tmp_path / "store"))


def test_a_promoted_candidate_is_what_the_name_stands_for(registry, tmp_path):
    entry, is_new = promote(registry, tmp_path, "c1")
    assert is_new and entry.previous is None and entry.change_id == "CHG-c1"
    assert registry.resolve("codec@live") == "c1"
    pointer = json.loads((registry.root / "codec" / "aliases" / "live.json").read_text())
    assert (pointer["candidate"], pointer["verdict"]) == ("c1", entry.verdict)
    # another process sees the same
    assert ModelRegistry(registry.root).history("codec") == [entry]


def test_promoting_what_the_alias_already_stands_for_changes_nothing(registry, tmp_path):
    first, _ = promote(registry, tmp_path, "c1")
    before = (registry.root / "codec" / "history.jsonl").read_bytes()
    again, is_new = promote(registry, tmp_path, "c1")
    assert (again, is_new) == (first, False)
    assert (registry.root / "codec" / "history.jsonl").read_bytes() == before


def test_history_is_only_appended_to(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    first = (registry.root / "codec" / "history.jsonl").read_bytes()
    promote(registry, tmp_path, "c2")
    rollback(registry, tmp_path)
    lines = (registry.root / "codec" / "history.jsonl").read_bytes()
    assert lines.startswith(first)
    told = [(e.n, e.action, e.candidate, e.previous) for e in registry.history("codec")]
    assert told == [(1, "promote", "c1", None), (2, "promote", "c2", "c1"), (3, "rollback", "c1", "c2")]


@pytest.mark.parametrize(
    ("candidate", "r", "model", "reason"),
    [
        ("c2", 0.99, "codec", "about candidate c2, not c1"),
        ("c1", 0.5, "codec", "the verdict is a fail"),
        ("c1", 0.99, "decoder", "about model decoder, not codec"),
    ],
    ids=["another candidate", "failed", "another model"],
)
def test_without_a_pass_for_exactly_this_candidate_nothing_is_written(
    registry, tmp_path, candidate, r, model, reason
):
    verdict = judged(ArtifactStore(tmp_path / "store"), candidate, r, model)
    with pytest.raises(PromotionRefused, match=reason):
        registry.promote("codec", "live", **wanted(tmp_path, "c1", verdict))
    assert not registry.root.exists()


def test_a_verdict_edited_after_it_was_made_promotes_nothing(registry, tmp_path):
    store = ArtifactStore(tmp_path / "store")
    failed, passed = judged(store, "c1", r=0.5), judged(store, "c1", r=0.99)
    path = store.open(failed) / "verdict.json"
    path.chmod(0o644)
    path.write_bytes((store.open(passed) / "verdict.json").read_bytes())
    with pytest.raises(PromotionRefused, match="content differs"):
        registry.promote("codec", "live", **wanted(tmp_path, "c1", failed))
    with pytest.raises(PromotionRefused, match="not in the store"):
        registry.promote("codec", "live", **wanted(tmp_path, "c1", "0" * 64))
    assert not registry.root.exists()


def test_the_floors_in_force_are_asked_for_at_promotion(registry, tmp_path):
    stricter = [FLOORS[0].model_copy(update={"floor": 0.995})]
    asked = wanted(tmp_path, "c1", judged(ArtifactStore(tmp_path / "store"), "c1"))
    with pytest.raises(PromotionRefused, match="another floor"):
        registry.promote("codec", "live", **asked | {"floors": stricter})
    for nothing in ({"floors": []}, {"inputs": {}}):
        with pytest.raises(PromotionRefused, match=r"no (floors are in force|inputs were given)"):
            registry.promote("codec", "live", **asked | nothing)
    assert registry.promote("codec", "live", **asked)[1]


def test_rollback_walks_back_one_promotion_at_a_time(registry, tmp_path):
    for candidate in ("c1", "c2", "c3"):
        promote(registry, tmp_path, candidate)
    assert rollback(registry, tmp_path).candidate == "c2"
    assert rollback(registry, tmp_path).candidate == "c1"
    assert registry.resolve("codec@live") == "c1"
    with pytest.raises(RegistryError, match="no earlier target"):
        rollback(registry, tmp_path)
    promote(registry, tmp_path, "c3")
    assert rollback(registry, tmp_path).candidate == "c1"


def test_everything_a_name_stands_for_or_can_roll_back_to_is_kept_from_collection(registry, tmp_path):
    entries = [promote(registry, tmp_path, c)[0] for c in ("c1", "c2")]
    other, _ = promote(registry, tmp_path, "c3", alias="beta")
    kept = {d for e in [*entries, other] for d in (e.candidate, e.verdict, e.floors)}
    assert registry.promoted_digests() == kept
    rollback(registry, tmp_path)
    assert registry.promoted_digests() == kept - {"c2", entries[1].verdict}
    assert ModelRegistry(tmp_path / "none").promoted_digests() == set()


def test_aliases_are_independent(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    promote(registry, tmp_path, "c2", alias="beta")
    assert (registry.resolve("codec@live"), registry.resolve("codec@beta")) == ("c1", "c2")
    assert {a: e.candidate for a, e in registry.aliases("codec").items()} == {"beta": "c2", "live": "c1"}
    assert registry.names() == ["codec"]


def test_a_line_torn_by_a_crash_is_ignored_and_then_cut_off(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    promote(registry, tmp_path, "c2")
    path = registry.root / "codec" / "history.jsonl"
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for length in (1, len(last) // 2, len(last) - 1):
        path.write_bytes(whole[: len(whole) - len(last) + length])
        assert registry.resolve("codec@live") == "c1"
        assert promote(registry, tmp_path, "c3")[1]
        assert [e.candidate for e in registry.history("codec")] == ["c1", "c3"]
    assert path.read_bytes().count(b"\n") == 2


def test_a_crash_before_the_alias_file_is_written_loses_nothing(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    pointer = registry.root / "codec" / "aliases" / "live.json"
    stale = pointer.read_bytes()
    promote(registry, tmp_path, "c2")
    pointer.write_bytes(stale)
    assert registry.resolve("codec@live") == "c2"
    promote(registry, tmp_path, "c2")
    assert json.loads(pointer.read_text())["candidate"] == "c2"


def test_editing_the_alias_file_does_not_promote(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    pointer = registry.root / "codec" / "aliases" / "live.json"
    pointer.write_text(pointer.read_text().replace('"c1"', '"evil"'))
    assert registry.resolve("codec@live") == "c1"
    assert "evil" not in registry.promoted_digests()


def test_a_damaged_confirmed_line_stops_everything_instead_of_being_skipped(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    promote(registry, tmp_path, "c2")
    path = registry.root / "codec" / "history.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"{}\n" + second)
    for act in (registry.promoted_digests, lambda: registry.resolve("codec@live")):
        with pytest.raises(RegistryError, match="line 1 cannot be read"):
            act()
    path.write_bytes(second)
    with pytest.raises(RegistryError, match="a line was lost or moved"):
        registry.history("codec")
    path.write_bytes(first + second)
    assert registry.resolve("codec@live") == "c2"


@pytest.mark.parametrize(
    "bad", ["", "..", "a/b", "../x", "A", "a@b", "a b", ".a", "-a", "a..b", "x" * 65, "a\n"]
)
def test_a_malformed_name_or_alias_is_refused(registry, tmp_path, bad):
    verdict = judged(ArtifactStore(tmp_path / "store"), "c1", model=bad or "codec")
    for name, alias in ((bad, "live"), ("codec", bad)):
        with pytest.raises(RegistryError, match="1 to 64 of a-z"):
            registry.promote(name, alias, **wanted(tmp_path, "c1", verdict))
    assert not registry.root.exists()


def test_an_unknown_name_is_an_error_that_lists_what_there_is(registry, tmp_path):
    promote(registry, tmp_path, "c1")
    with pytest.raises(RegistryError, match="aliases of codec: live"):
        registry.resolve("codec@beta")
    with pytest.raises(RegistryError, match="aliases of other: none"):
        registry.resolve("other@live")
    with pytest.raises(RegistryError, match="not name@alias"):
        registry.resolve("codec")
    with pytest.raises(RegistryError, match="nothing was promoted"):
        rollback(registry, tmp_path, "other")
    assert registry.names() == ["codec"]


def _promote_many(root: str, folder: str, worker: int) -> None:
    for n in range(5):
        promote(ModelRegistry(Path(root)), Path(folder), f"w{worker}-{n}", alias=f"a{worker % 2}")


def test_concurrent_promotions_are_all_recorded_in_one_order(registry, tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_promote_many, args=(str(registry.root), str(tmp_path), n)) for n in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    history = registry.history("codec")
    assert sorted(e.candidate for e in history) == sorted(f"w{w}-{n}" for w in range(4) for n in range(5))
    for alias in ("a0", "a1"):
        chain = [e for e in history if e.alias == alias]
        assert [e.previous for e in chain] == [None, *(e.candidate for e in chain[:-1])]
        pointer = json.loads((registry.root / "codec" / "aliases" / f"{alias}.json").read_text())
        assert pointer["candidate"] == chain[-1].candidate


def test_the_tries_on_a_sealed_set_are_counted_and_one_candidate_is_one_try(registry):
    def place(candidate: str, sealed: str = "s1") -> int:
        return ModelRegistry(registry.root).try_number("codec", sealed=sealed, candidate=candidate)

    assert [place("c1"), place("c2"), place("c1"), place("c3")] == [1, 2, 1, 3]
    assert [place("c2", "s2"), place("c2")] == [1, 2]
    assert registry.names() == []  # judged is not registered
