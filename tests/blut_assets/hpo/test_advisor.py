"""A search adds trials, learns of them, and goes on where it was stopped; here its trials only say so."""

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blut_assets.cli.sweep.worker import facts_in
from blut_assets.hpo.advisor import Advisor, Search
from blut_assets.hpo.journal import JOURNAL, Journal
from blut_assets.hpo.rungs import ladder
from blut_assets.hpo.sampling import Sampling, imported
from blut_assets.hpo.space import read_dimension
from blut_assets.sweeps.record import SUCCEEDED, SweepRecord, Trial
from blut_resources.runs.files import status_path
from blut_resources.runs.pruning import WORD as PRUNED
from blut_resources.runs.pruning import pruned_for

SPACE = tuple(map(read_dimension, ("lr=loguniform(1e-5,1e-1)", 'p=choice(a,b,{"c":1})', "n=int(1,9)")))
SAMPLING = Sampling(SPACE, "tpe", seed=7, maximize=False)
ASSET = "book/model"


def value(trial: Trial) -> float:
    return (
        abs(math.log10(trial.overrides["lr"]) + 3)
        + (trial.overrides["p"] != "a")
        + trial.overrides["n"] / 100
    )


class World:
    """A search in a directory, and what its trials come to."""

    def __init__(
        self, home: Path, search: Search, ends: Callable[[Trial], tuple[str, dict[str, Any]]]
    ) -> None:
        self.record, self.search, self.ends = SweepRecord(home, "study"), search, ends
        self.record.place.mkdir(parents=True, exist_ok=True)
        self.epochs = 0

    def run(self, most: int = 1000, **changes: Any) -> dict[int, Trial]:
        """Go on until it is over, or so many trials were taken: then the last one is left as it is."""
        advisor = Advisor(self.record, replace(self.search, **changes))
        journal = Journal(self.record.place, self.record.id, advisor.search.sampling)
        self.record.say({"what": "session", "grows": True})
        lost = [one for one in self.record.trials().values() if one.state == "running"]
        for one in lost:
            self.record.end(one.number, "lost", "killed", run=one.run_id)
        if lost:
            self.record.say({"what": "again", "trials": [one.number for one in lost]})
        for number in range(most):
            if advisor._over(journal):
                return self.record.trials()
            trial = self.record.take(f"run{time.monotonic_ns()}")
            assert trial is not None
            if number == most - 1:
                return self.record.trials()
            outcome, facts = self.ends(trial)
            self.record.end(trial.number, outcome, "", facts=facts, run=trial.run_id)
        raise AssertionError("it is never over")


def tried(trials: dict[int, Trial]) -> list[Any]:
    return [(number, dict(one.overrides), one.facts.get("loss")) for number, one in trials.items()]


def succeeds(trial: Trial) -> tuple[str, dict[str, Any]]:
    return SUCCEEDED, {"loss": value(trial)}


@pytest.mark.parametrize("algo", ["tpe", "random"])
def test_a_search_that_is_stopped_and_goes_on_is_the_same_search(tmp_path: Path, algo: Any) -> None:
    search = Search(replace(SAMPLING, algo=algo), 24, "loss")
    whole = World(tmp_path / "whole", search, succeeds).run()
    parts = World(tmp_path / "parts", search, succeeds)
    parts.run(trials=12)
    assert tried(parts.run()) == tried(whole) and len(whole) == 24
    assert len({json.dumps(dict(one.overrides)) for one in whole.values()}) == 24, "and none is tried twice"
    killed = World(tmp_path / "killed", search, succeeds)
    killed.run(most=9)
    (killed.record.place / JOURNAL).unlink()
    assert tried(killed.run()) == tried(whole), "the values of the one that was lost are tried again"
    states = imported().trial.TrialState
    study = imported().load_study(
        study_name="study", storage=Journal(killed.record.place, "", SAMPLING)._storage()
    )
    assert [one.state for one in study.trials].count(states.COMPLETE) == 24
    assert [(one.user_attrs["trial"], one.state) for one in study.trials][8] == (9, states.FAIL)
    assert study.trials[9].params == study.trials[8].params
    other = World(
        tmp_path / "other", replace(search, sampling=replace(search.sampling, seed=8)), succeeds
    ).run()
    assert tried(other) != tried(whole), "and another seed is another search"


def test_it_learns(tmp_path: Path) -> None:
    whole = World(tmp_path, Search(SAMPLING, 24, "loss"), succeeds).run()
    losses = [one.facts["loss"] for one in whole.values()]
    assert sum(losses[:10]) / 10 > 1.5 * sum(losses[10:]) / 14
    flipped = Search(replace(SAMPLING, maximize=True), 24, "loss")
    highest = World(tmp_path / "max", flipped, lambda one: (SUCCEEDED, {"loss": -value(one)})).run()
    assert [one.overrides for one in highest.values()] == [one.overrides for one in whole.values()]


@pytest.mark.parametrize("how", ["missing", "rubbish", "torn", "of another"])
def test_a_journal_that_cannot_be_used_is_made_again(tmp_path: Path, how: str) -> None:
    world = World(tmp_path, Search(SAMPLING, 6, "loss"), succeeds)
    world.run(trials=3)
    path = world.record.place / JOURNAL
    good = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "of another":
        other = World(tmp_path / "other", Search(replace(SAMPLING, seed=8), 3, "loss"), succeeds)
        other.run()
        path.write_bytes((other.record.place / JOURNAL).read_bytes())
    else:
        path.write_bytes({"rubbish": b"\0rubbish\n", "torn": good[: len(good) // 2]}[how])
    world.run()
    study = imported().load_study(
        study_name="study", storage=Journal(world.record.place, "", SAMPLING)._storage()
    )
    assert [one.user_attrs["trial"] for one in study.trials] == [1, 2, 3, 4, 5, 6]
    assert [one.value for one in study.trials] == [
        one.facts["loss"] for one in world.record.trials().values()
    ]


def test_what_failed_teaches_nothing_and_what_a_gate_refused_does(tmp_path: Path) -> None:
    def ends(trial: Trial) -> tuple[str, dict[str, Any]]:
        return {1: ("failed", {}), 2: ("refused", {"loss": value(trial)})}.get(trial.number, succeeds(trial))

    world = World(tmp_path, Search(SAMPLING, 12, "loss"), ends)
    advisor = Advisor(world.record, world.search)
    trials = world.run()
    assert len(trials) == 12
    assert [advisor._tried(trials[number]).how for number in (1, 2, 3)] == ["fail", "complete", "complete"]


def test_a_metric_that_nothing_has_ends_it_with_what_there_is(tmp_path: Path) -> None:
    world = World(tmp_path, Search(SAMPLING, 5, "los"), succeeds)
    work = threading.Thread(target=lambda: _finish_one(world.record), daemon=True)
    work.start()
    setpgid = pytest.MonkeyPatch()
    setpgid.setattr("os.setpgid", lambda *_: None)
    world.record.say({"what": "session", "grows": True})
    Advisor(world.record, world.search).advise()
    setpgid.undo()
    world.record.trials()
    assert world.record.stopped.startswith(
        "--metric los (did you mean 'loss'?): a result has no such number; it has"
    )


@pytest.mark.parametrize("outcome", [SUCCEEDED, PRUNED])
def test_a_trial_whose_metric_is_no_number_ends_no_search(tmp_path: Path, outcome: str) -> None:
    """It has the metric, and learned nothing that can be compared."""

    def ends(trial: Trial) -> tuple[str, dict[str, Any]]:
        return (outcome, facts_in({"loss": math.nan})) if trial.number == 1 else succeeds(trial)

    search = Search(SAMPLING, 6, "loss", ASSET, ladder(1, 2, 2) if outcome == PRUNED else None)
    trials = World(tmp_path, search, ends).run()
    assert len(trials) == 6 and [one.outcome for one in trials.values()] == [outcome, *[SUCCEEDED] * 5]


def test_values_in_steps_are_those_that_one_would_write(tmp_path: Path) -> None:
    steps = Sampling((read_dimension("x=uniform(0,1,0.1)"),), "random", seed=3, maximize=False)
    found = [steps.next(number, [])["x"] for number in range(40)]
    assert {*found} <= {n / 10 for n in range(11)} and len({*found}) > 5


def _finish_one(record: SweepRecord) -> None:
    own = SweepRecord(record.home, record.id)
    while (trial := own.take("run")) is None:
        time.sleep(0.01)
    own.end(trial.number, *succeeds(trial)[:1], facts={"loss": 1.0, "epoch": 3}, run="run")


def test_what_is_worse_than_the_median_is_given_up_while_it_trains(tmp_path: Path) -> None:
    world = World(tmp_path, Search(SAMPLING, 9, "loss", ASSET, least=2), succeeds)

    def epochs(run_id: str, *losses: float) -> None:
        path = status_path(tmp_path, run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"kind": "epoch", "asset": ASSET, "epoch": n, "phase": "train", "metrics": {"loss": loss}, "t": 0}
            for n, loss in enumerate(losses, 1)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    journal = Journal(world.record.place, world.record.id, SAMPLING)
    advisor = Advisor(world.record, world.search)
    for number in range(7):
        advisor._over(journal)
        trial = world.record.take(f"run{number}")
        assert trial is not None
        if number < 5:
            epochs(trial.run_id, 1.0, 0.5, number / 10)
            world.record.end(trial.number, SUCCEEDED, facts={"loss": number / 10}, run=trial.run_id)
            continue
        for losses, told in (
            ((9.0,), ""),
            ((0.6, 0.4), ""),
            ((0.6, 0.4, 0.35), "loss of 0.35 after 3 epochs"),
        ):
            epochs(trial.run_id, *losses)
            advisor._over(journal)
            said = pruned_for(tmp_path, trial.run_id)
            assert said.startswith(told) and bool(said) == bool(told)
        world.record.end(trial.number, "pruned", facts={"loss": 0.35, "epoch": 3}, run=trial.run_id)
    assert advisor._tried(world.record.trials()[6]).measured == {1: 0.6, 2: 0.4, 3: 0.35}


@pytest.mark.parametrize(("prune", "share"), [("asha", 0.6), ("hyperband", 0.8)])
@pytest.mark.parametrize("at_once", [1, 4])
def test_few_train_to_the_end_and_the_best_is_among_them(
    tmp_path: Path, prune: str, share: float, at_once: int
) -> None:
    """Curves cross: what is best in the end is slow to begin. What was paused goes on where it was."""
    space = (read_dimension("lr=choice(" + ",".join(str(n / 27) for n in range(1, 28)) + ")"),)
    sampling = Sampling(space, "grid", 3, maximize=False, shuffled=True)
    search = Search(sampling, 27, "loss", ASSET, ladder(1, 27, 3, hyperband=prune == "hyperband"), at_once)
    trained: dict[float, int] = {}

    def loss(lr: float, epoch: int) -> float:
        return 0.1 + abs(lr - 10 / 27) + 2 * math.exp(-epoch * (0.2 + lr))

    def ends(trial: Trial) -> tuple[str, dict[str, Any]]:
        lr, most = trial.overrides["lr"], trial.budget or 27
        world.epochs += most - trained.get(lr, 0)
        trained[lr] = most
        path = status_path(tmp_path, trial.run_id)
        path.parent.mkdir(parents=True)
        rows = [
            {
                "kind": "epoch",
                "asset": ASSET,
                "epoch": n,
                "phase": "train",
                "metrics": {"loss": loss(lr, n)},
                "t": 0,
            }
            for n in range(1, most + 1)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        facts = {"loss": loss(lr, most), "epoch": most}
        return (SUCCEEDED if trial.budget is None else "pruned"), facts

    world = World(tmp_path, search, ends)
    trials = world.run()
    done = {one.facts["loss"]: one for one in trials.values() if one.outcome == SUCCEEDED}
    assert done[min(done)].overrides["lr"] == 10 / 27, "the best of the whole grid"
    assert len(trials) == 27 and world.epochs < share * 27 * 27, world.epochs
    assert {one.outcome for one in trials.values()} == {SUCCEEDED, "pruned"}
