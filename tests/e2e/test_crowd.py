"""Many runs at once on one new instance: all are recorded, and the same thing is computed once."""

import dagster as dg
import pytest

from blut_assets.stages import reuse
from tests.aftermath import Row, note
from tests.e2e.scene import Scene, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
RUNS = 8
ASSETS = ("raw", "trained", "judged")


def recorded(instance: dg.DagsterInstance, name: str) -> list[dg.EventLogRecord]:
    """What the index of all runs has of an asset."""
    return list(instance.fetch_materializations(dg.AssetKey(["contained", name]), limit=100).records)


def test_eight_identical_runs_train_once_and_lose_no_event(scene: Scene) -> None:
    scene.behave(epoch_s=0.3)
    runs = [scene.start(scene.quick()) for _ in range(RUNS)]
    assert [run.wait() for run in runs] == [0] * RUNS, scene.said()[-4000:]
    assert "database is locked" not in scene.said()
    assert scene.starts() == 1
    with scene.instance() as instance:
        ids = {run.run_id for run in instance.get_runs()}
        assert len(ids) == RUNS
        for name in ASSETS:
            assert {record.run_id for record in recorded(instance, name)} == ids
        computed = [
            record.run_id
            for record in recorded(instance, "trained")
            if record.asset_materialization and not record.asset_materialization.metadata[reuse.REUSED].value
        ]
        assert len(computed) == 1
        for run in ids:
            told = [entry.dagster_event_type for entry in instance.all_logs(run) if entry.is_dagster_event]
            for kind, count in ((dg.DagsterEventType.STEP_SUCCESS, 3), (dg.DagsterEventType.RUN_SUCCESS, 1)):
                assert told.count(kind) == count
            assert told.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 3
    assert scene.epochs() == [0, 1, 2]
    assert scene.unfinished() == [] and scene.held() == []
    scene.verify()
    note(Row(f"{RUNS} runs at once", "auto", f"{RUNS} SUCCESS, 1 training", 0, scene.lost(), None))


def test_it_is_done_twice_where_that_is_asked_for(scene: Scene) -> None:
    with scene.instance():  # of several commands of Dagster's own, one alone may make a history
        pass
    runs = [scene.start(scene.materialize("raw", "trained", reuse="never")) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0], scene.said()[-4000:]
    assert scene.starts() == 2
    with scene.instance() as instance:
        events = [record.asset_materialization for record in recorded(instance, "trained")]
    digests = {reuse.digest_of(event) for event in events if event}
    assert len(digests) == 1
    scene.verify()


def test_a_killed_one_among_eight_costs_the_others_nothing(scene: Scene) -> None:
    """Of those who wait for its result one goes on with it, but not before the dead one's payload is gone."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=1, last_words_s=1)
    runs = [scene.start(scene.quick()) for _ in range(RUNS)]
    (payload,) = scene.tree()
    owner = scene.owner(payload)
    (victim,) = [run for run in runs if run.pid == owner]
    until(lambda: scene.happened("epoch-1 "))
    victim.kill()
    until(lambda: scene.starts() == 2)
    (scene.root / "gate").touch()
    assert sorted(run.wait() for run in runs) == [-9, *[0] * (RUNS - 1)], scene.said()[-4000:]
    happened = [line.split()[0] for line in scene.log.read_text().splitlines()]
    second = happened.index("start", 1)
    assert happened[:second] == ["start", "resumed-at-0", "epoch-0", "epoch-1", "stopped", "saved"]
    assert happened[second:] == ["start", "resumed-at-2", "epoch-2", "end"]
    assert "database is locked" not in scene.said()
    assert scene.unfinished() == []
    with scene.instance() as instance:
        statuses = sorted(run.status.value for run in instance.get_runs())
    assert statuses == ["FAILURE", *["SUCCESS"] * (RUNS - 1)]
    scene.verify()
