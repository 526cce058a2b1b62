"""Versions of a model, aliases that anybody may move, and governed ones that take a passing verdict."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from blut_resources.files.durable import remove_tree
from blut_resources.registry.models import (
    Authority,
    Governance,
    ModelRegistry,
    Registration,
    RegistryError,
    governed_aliases,
    registry_name,
)
from blut_resources.registry.retirement import RetirementRefused, VersionRetired
from blut_resources.registry.verdicts import Change, Floor, PromotionRefused, Verdict, judge
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.gc import collect

CHANGE = Change(change_id="CHG-1", change_class="a", description="a retrain", author="Ada")
ADA = Authority(by="ada", why="a release")
FLOORS = [Floor(kind="fidelity", name="kl", scope="gguf", op="<=", floor=0.1)]


class Bench:
    """A store with a registry in it, and candidates that are really there."""

    def __init__(self, root: Path, store: ArtifactStore | None = None) -> None:
        self.root, self.store = root, store or ArtifactStore(root / "store")
        self.registry = ModelRegistry(self.store.root / "registry")

    def put(self, text: str) -> str:
        path = self.root / "new"
        path.write_text(text)
        return self.store.put(path)

    def register(
        self, text: str = "one", kl: float = 0.05, run: str = "run-1", **change: Any
    ) -> Registration:
        """Register the candidate with these bytes, judged as that KL says but for ``change``."""
        inputs = {"merged": self.put(f"merged {text}"), "evaluation": self.put(f"evaluation {text}")}
        candidate = self.put(text)
        criteria = judge({"gguf": {"kl": kl}}, FLOORS)
        measured = {criterion.name: criterion.measured for criterion in criteria}
        verdict = Verdict.of(
            criteria,
            **{"model": "mine", "change": CHANGE, "candidate": candidate, "inputs": inputs}
            | {"measurements": measured, "synthetic": False}
            | change,
        )
        folder = self.root / "verdict"
        folder.mkdir()
        (folder / "verdict.json").write_bytes(verdict.to_json())
        return self.registry.register(
            "mine",
            candidate=candidate,
            inputs=inputs,
            verdict=self.store.put(folder),
            passed=verdict.passed,
            floors=FLOORS,
            figures={**measured, "loss_base": None},
            license="mit",
            run=run,
        )

    def promote(self, alias: str, version: int, **authority: str):
        return self.registry.promote_version("mine", alias, version, self.store, Authority(**authority))

    def rollback(self, alias: str, **authority: str):
        return self.registry.rollback("mine", alias, self.store, Authority(**authority))

    def govern(self, alias: str, kl: float = 0.1, *more: Floor) -> Governance:
        """Pin a floor for the KL, and more."""
        rules = [FLOORS[0].model_copy(update={"floor": kl}), *more]
        floors = self.put(f"floors {rules}")
        return self.registry.govern("mine", alias, floors=floors, rules=rules, authority=ADA)[0]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.govern("prod")
    return bench


def test_a_candidate_keeps_its_version_and_every_run_leaves_a_record(bench: Bench) -> None:
    first, second = bench.register("one"), bench.register("two")
    again = bench.register("one", kl=0.5, run="run-2")
    assert (first.version, second.version, again.version) == (1, 2, 1)
    told = [(r.n, r.version, r.run, r.passed) for r in bench.registry.registrations("mine")]
    assert told == [(1, 1, "run-1", True), (2, 2, "run-1", True), (3, 1, "run-2", False)]
    assert bench.registry.registration("mine@1") == again, "the newest judgement counts"
    assert bench.registry.resolve("mine@2") == second.candidate
    assert bench.register("three").version == 3
    assert bench.registry.names() == ["mine"] and bench.registry.history("mine") == []


def test_an_alias_that_is_not_governed_stands_for_any_version(bench: Bench) -> None:
    bench.register("one", kl=0.5), bench.register("two")
    entry, is_new = bench.promote("staging", 1)
    assert is_new and (entry.version, entry.verdict) == (1, None)
    assert bench.promote("staging", 1) == (entry, False)
    assert bench.registry.registration("mine@staging").version == 1
    bench.promote("staging", 2)
    assert bench.registry.resolve("mine@staging") == bench.registry.resolve("mine@2")
    assert bench.rollback("staging").version == 1


def test_an_alias_that_is_not_governed_takes_no_version_whose_verdict_is_about_another(bench: Bench) -> None:
    bench.register("other", candidate="0" * 64)
    with pytest.raises(PromotionRefused, match="the verdict is about candidate 0000"):
        bench.promote("staging", 1)
    assert bench.registry.history("mine") == []


def test_prod_takes_a_passing_verdict_on_exactly_these_bytes(bench: Bench) -> None:
    bench.register("bad", kl=0.5), bench.register("good"), bench.register("other", candidate="0" * 64)
    bench.register("named", model="theirs")
    reasons = {
        1: r"mine@1 is not promoted to mine@prod: the verdict is a fail: gguf: fidelity kl is 0\.5",
        3: "mine@3 is not promoted to mine@prod: the verdict is about candidate 0000",
        4: "the verdict is about model theirs, not mine",
    }
    for version, reason in reasons.items():
        with pytest.raises(PromotionRefused, match=reason):
            bench.promote("prod", version)
    assert bench.registry.history("mine") == []
    entry, _ = bench.promote("prod", 2)
    assert entry.verdict == bench.registry.registration("mine@2").verdict and entry.change_id == "CHG-1"
    bench.register("good", kl=float("nan"))
    with pytest.raises(PromotionRefused, match="kl is not measured"):
        bench.promote("prod", 2)
    assert bench.registry.resolve("mine@prod") == entry.candidate, "what passed stays where it was"


def test_the_environment_can_add_governed_aliases_and_take_none_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.register("bad", kl=0.5), bench.register("good")
    bench.promote("live", 1)
    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "live, canary")
    assert governed_aliases() == {"prod", "live", "canary"}
    for alias in ("live", "canary", "prod"):
        with pytest.raises(PromotionRefused, match=f"not promoted to mine@{alias}: the verdict is a fail"):
            bench.promote(alias, 1)
    with pytest.raises(PromotionRefused, match="none are pinned: `blut model govern mine@live --floors FILE"):
        bench.promote("live", 2)
    bench.govern("live")
    with pytest.raises(PromotionRefused, match="pointed at version 1 without a passing verdict"):
        bench.registry.resolve("mine@live")
    bench.promote("live", 2)
    assert bench.registry.registration("mine@live").version == 2
    with pytest.raises(PromotionRefused, match="pointed at version 1 without"):
        bench.rollback("live")
    assert bench.registry.registration("mine@live").version == 2

    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "Live")
    with pytest.raises(RegistryError, match="alias 'Live': 1 to 64 of a-z"):
        bench.promote("live", 2)


def test_what_was_pointed_at_freely_is_promoted_once_its_alias_is_governed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.register("good")
    bench.promote("live", 1)
    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "live")
    bench.govern("live")
    entry, is_new = bench.promote("live", 1)
    assert is_new and entry.verdict and bench.registry.resolve("mine@live") == entry.candidate


@pytest.mark.parametrize("what", ["candidate", "verdict"])
def test_collected_or_damaged_bytes_are_not_promoted(bench: Bench, what: str) -> None:
    record = bench.register()
    remove_tree(bench.store.entry(getattr(record, what)))
    with pytest.raises(PromotionRefused, match=r"mine@1 cannot be promoted: .*not in the store"):
        bench.promote("prod", 1)


def test_all_that_a_version_needs_is_kept_from_collection(bench: Bench) -> None:
    old, new = bench.register("one"), bench.register("one", kl=0.07)
    bench.promote("prod", 1)
    bench.register("one", kl=0.5)
    kept = bench.registry.promoted_digests()
    assert {new.candidate, *new.inputs.values(), new.verdict} <= kept, "the verdict that prod rests on too"
    assert old.verdict not in kept
    report = collect(bench.store, kept, in_use_grace_s=0)
    assert report.removed == (old.verdict,)


def test_what_is_no_version_no_alias_or_not_there_is_explained(bench: Bench) -> None:
    bench.register()
    for text, reason in {
        "mine@7": "mine has no version 7; versions of mine: 1",
        "yours@1": "yours has no version 1; versions of yours: none",
        "mine@beta": "nothing is promoted to mine@beta; aliases of mine: none",
        "mine": "not name@alias or name@version",
        "mine@": "alias ''",
        "Mine@1": "name 'Mine'",
    }.items():
        with pytest.raises(RegistryError, match=reason):
            bench.registry.registration(text)
    with pytest.raises(RegistryError, match="digits alone are a version; add a letter, such as v2"):
        bench.promote("2", 1)


def test_a_damaged_line_of_the_versions_stops_everything(bench: Bench) -> None:
    bench.register("one"), bench.register("two")
    path = bench.registry.root / "mine" / "versions.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert list(bench.registry.versions("mine")) == [1], "what was torn was never confirmed"
    assert bench.register("three").version == 2
    path.write_bytes(whole.replace(b'"version": 1', b'"version": 0'))
    with pytest.raises(RegistryError, match=r"mine/versions\.jsonl line 1 cannot be read"):
        bench.registry.promoted_digests()


def test_a_free_name_becomes_one_that_the_registry_takes() -> None:
    assert [registry_name(text) for text in ("Mine", "My Model v1.0", "_a..b_", "x/y")] == [
        "mine",
        "my-model-v1.0",
        "a-b",
        "x-y",
    ]
    for text in ("___", "x" * 65):
        with pytest.raises(RegistryError, match="makes the registered name"):
            registry_name(text)


def _register_many(root: str, worker: int) -> None:
    registry = ModelRegistry(Path(root))
    for n in range(5):
        registry.register(
            "mine",
            candidate=f"w{worker % 2}-{n}",
            inputs={},
            verdict="v",
            passed=True,
            floors=FLOORS,
            figures={},
            license="mit",
            run=f"{worker}",
        )


def test_concurrent_registrations_get_one_version_per_candidate(bench: Bench) -> None:
    context = multiprocessing.get_context("spawn")
    root = str(bench.registry.root)
    workers = [context.Process(target=_register_many, args=(root, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    records = bench.registry.registrations("mine")
    assert len(records) == 20 and [r.n for r in records] == list(range(1, 21))
    of = {(r.candidate, r.version) for r in records}
    assert len(of) == 10 and sorted(version for _, version in of) == list(range(1, 11))


def test_a_retired_version_is_refused_and_its_bytes_are_no_longer_kept(bench: Bench) -> None:
    old, new = bench.register("one"), bench.register("two")
    bench.promote("prod", 1), bench.promote("prod", 2)
    retirement, is_new = bench.registry.retire("mine@1")
    assert is_new and bench.registry.retire("mine@1") == (retirement, False)
    assert list(bench.registry.retired("mine")) == [1]
    by_digest = {"candidate": old.candidate, "verdict": old.verdict, "inputs": old.inputs}
    for use in (
        lambda: bench.registry.resolve("mine@1"),
        lambda: bench.promote("staging", 1),
        lambda: bench.registry.promote("mine", "staging", store=bench.store, floors=old.floors, **by_digest),
        lambda: bench.rollback("prod"),
    ):
        with pytest.raises(VersionRetired, match=r"mine@1 was retired by \S+ on 20.*args of run run-1"):
            use()
    kept = bench.registry.promoted_digests()
    assert new.digests() <= kept and not old.digests() & kept
    assert bench.registry.registration("mine@1", retired=True) == old, "it stays in the history"


def test_the_same_candidate_registered_again_is_in_use_again(bench: Bench) -> None:
    bench.register("one")
    bench.registry.retire("mine@1")
    again = bench.register("one", run="run-2")
    assert again.version == 1 and bench.registry.resolve("mine@1") == again.candidate
    assert again.digests() <= bench.registry.promoted_digests()
    assert bench.registry.retire("mine@1")[1], "and can be retired anew"
    assert [one.of for one in bench.registry.retirements("mine")] == [1, 2]


def test_a_dropped_alias_stands_for_nothing_until_it_is_promoted_anew(bench: Bench) -> None:
    record, _ = bench.register("one"), bench.register("two")
    bench.promote("prod", 2), bench.promote("prod", 1), bench.promote("next", 2)
    dropped, is_new = bench.registry.drop("mine", "prod")
    assert is_new and (dropped.version, dropped.verdict) == (1, record.verdict)
    assert bench.registry.drop("mine", "prod") == (dropped, False)
    assert [*bench.registry.aliases("mine")] == ["next"]
    assert [path.name for path in bench.registry.root.glob("*/aliases/*")] == ["next.json"]
    with pytest.raises(RegistryError, match="nothing is promoted to mine@prod; aliases of mine: next"):
        bench.registry.resolve("mine@prod")
    with pytest.raises(RegistryError, match="no earlier target"):
        bench.rollback("prod")
    with pytest.raises(RegistryError, match="nothing is promoted to mine@beta"):
        bench.registry.drop("mine", "beta")
    bench.registry.retire("mine@1")
    assert not record.digests() & bench.registry.promoted_digests()
    assert bench.promote("prod", 2)[0].previous is None
    assert [entry.action for entry in bench.registry.history("mine") if entry.alias == "prod"] == [
        *("promote", "promote", "drop", "promote")
    ]


def test_a_version_that_a_name_stands_for_is_not_retired(bench: Bench) -> None:
    bench.register("one"), bench.register("two")
    bench.promote("prod", 1), bench.promote("next", 1)
    with pytest.raises(RetirementRefused, match="mine@next and mine@prod stand for it"):
        bench.registry.retire("mine@1")
    for text, reason in {
        "mine@prod": "is no name@version",
        "mine@7": "no version 7",
        "mine": "not name@",
    }.items():
        with pytest.raises(RegistryError, match=reason):
            bench.registry.retire(text)
    assert bench.registry.retirements("mine") == []
