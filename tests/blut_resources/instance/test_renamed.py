"""What an instance kept of Blut's sensors under their old names is theirs under the new ones, once."""

import json

import dagster as dg

from blut_assets.definitions import defs
from blut_resources.instance.instance import open_instance
from blut_resources.instance.renamed import RENAMED, carry_over
from tests.sensors.kept import keep, kept

CURSOR = json.dumps({"runs": 7, "checks": {"a:b": [1]}, "since": 5.0, "blocked": {}, "owed": []})


def older(instance: dg.DagsterInstance, location: str = "blut") -> None:
    """As a daemon of an older version left it, in which somebody has used two switches."""
    keep(instance, "reaper", location, switch="DECLARED_IN_CODE")
    keep(instance, "alerts", location, switch="DECLARED_IN_CODE", cursor=CURSOR)
    keep(instance, "retraining", location, switch="STOPPED", cursor="off: there is no policy")
    keep(instance, "housekeeping", location, min_interval=3600)


def test_every_sensor_of_bluts_has_a_name_that_nobody_else_takes(home: object) -> None:
    names = {sensor.name for sensor in defs.get_repository_def().sensor_defs}
    assert names == set(RENAMED.values()) and all(name.startswith("blut_") for name in names)


def test_switches_and_cursors_go_to_the_new_names_once(home: object) -> None:
    with open_instance() as instance:
        older(instance)
        assert len(carry_over(instance)) == 4
        assert kept(instance) == {
            ("blut_reaper", "blut"): ("DECLARED_IN_CODE", ""),
            ("blut_alerts", "blut"): ("DECLARED_IN_CODE", CURSOR),
            ("blut_retraining", "blut"): ("STOPPED", "off: there is no policy"),
            ("blut_housekeeping", "blut"): ("RUNNING", ""),
        }
        keep(instance, "blut_retraining", "blut", cursor="later")
        assert carry_over(instance) == []
        assert kept(instance)["blut_retraining", "blut"] == ("RUNNING", "later")


def test_what_the_new_name_has_by_now_stays(home: object) -> None:
    """The daemon of the new version may have ticked first: with no cursor yet, and no switch of anybody."""
    with open_instance() as instance:
        older(instance)
        keep(instance, "blut_alerts", "blut", switch="DECLARED_IN_CODE")
        keep(instance, "blut_retraining", "blut", switch="DECLARED_IN_CODE", cursor="seen")
        keep(instance, "blut_housekeeping", "blut", switch="STOPPED")
        carry_over(instance)
        now = kept(instance)
        assert now["blut_alerts", "blut"] == ("DECLARED_IN_CODE", CURSOR)
        assert now["blut_retraining", "blut"] == ("STOPPED", "seen")
        assert now["blut_housekeeping", "blut"] == ("STOPPED", "")


def test_a_tick_keeps_nothing_that_the_daemon_is_about_to(home: object) -> None:
    """It makes what it keeps of a sensor right before its first tick, and fails if that is there by then."""
    with dg.DagsterInstance.get() as instance:
        older(instance)
        for name in ("reaper", "retraining", "alerts"):
            before = {new for new, _ in kept(instance) if new.startswith("blut_")}
            keep(instance, f"blut_{name}", "blut", switch="DECLARED_IN_CODE")
            carry_over(instance, f"blut_{name}")
            now = {new for new, _ in kept(instance) if new.startswith("blut_")}
            assert now == before | {f"blut_{name}", "blut_housekeeping"}
        assert kept(instance) == {
            ("blut_reaper", "blut"): ("DECLARED_IN_CODE", ""),
            ("blut_alerts", "blut"): ("DECLARED_IN_CODE", CURSOR),
            ("blut_retraining", "blut"): ("STOPPED", "off: there is no policy"),
            ("blut_housekeeping", "blut"): ("RUNNING", ""),
        }


def test_the_alerts_know_from_their_first_tick_on_what_was_told(home: object) -> None:
    """Also where they tick first, while the others wait for their own."""
    with dg.DagsterInstance.get() as instance:
        older(instance)
        keep(instance, "blut_alerts", "blut", switch="DECLARED_IN_CODE")
        carry_over(instance, "blut_alerts")
        assert kept(instance)["blut_alerts", "blut"] == ("DECLARED_IN_CODE", CURSOR)
        keep(instance, "blut_alerts", "blut", cursor="later")
        for name in ("blut_reaper", "blut_retraining", "blut_alerts"):
            keep(instance, name, "blut", switch="DECLARED_IN_CODE", cursor="later")
            carry_over(instance, name)
        assert {new for new, _ in kept(instance)} == {
            *("blut_alerts", "blut_reaper", "blut_retraining", "blut_housekeeping")
        }
        assert kept(instance)["blut_alerts", "blut"] == ("DECLARED_IN_CODE", "later")


def test_sensors_of_others_with_such_names_stay(home: object) -> None:
    with open_instance() as instance:
        keep(instance, "reaper", "blut", cursor="3")
        keep(instance, "alerts", "blut", cursor=json.dumps({"runs": 3}))
        keep(instance, "alerts", "other", cursor="17")
        before = kept(instance)
        assert carry_over(instance) == [] and kept(instance) == before


def test_runs_are_known_again_by_their_keys(home: object) -> None:
    """The daemon asks for the name of the sensor and the key before it makes a second run."""
    tags = {"dagster/sensor_name": "retraining", "dagster/run_key": "k", "blut/policy": "nightly"}
    with open_instance() as instance:
        older(instance)
        own = instance.create_run_for_job(dg.GraphDefinition("a").to_job(), tags=tags)
        label = {"dagster/sensor_name": "retraining", ".dagster/repository": "__repository__@other"}
        other = instance.create_run_for_job(dg.GraphDefinition("b").to_job(), tags=label)
        carry_over(instance)
        found = {run.run_id: run.tags["dagster/sensor_name"] for run in instance.get_runs()}
        assert found == {own.run_id: "blut_retraining", other.run_id: "retraining"}
