"""A daemon of Dagster's own with two code locations that load Blut, in a home of an older version."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.e2e.scene import until
from tests.sensors.kept import keep, kept
from tests.sensors.test_turns import fail

pytestmark = pytest.mark.heavy
LOCATION = """
import dagster as dg
from sensors.alerts.scope import AlertScope
from sensors.alerts.sensor import alerts_sensor
from sensors.reaper import reaper

@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(context):
    return dg.SkipReason("of somebody else")

told = alerts_sensor(AlertScope.of([], ["weekly"], []))
defs = dg.Definitions(sensors=[reaper, told, *([alerts] if MINE else [])])
"""


def test_one_of_them_goes_on_where_the_older_version_was_and_tells_once(home: Path) -> None:
    for name in ("blut", "ml"):
        (home / f"of_{name}.py").write_text(LOCATION.replace("MINE", str(name == "ml")))
    files = [
        f"- python_file: {{relative_path: of_{name}.py, location_name: {name}}}" for name in ("blut", "ml")
    ]
    (home / "workspace.yaml").write_text("\n".join(["load_from:", *files]))
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    command = json.dumps([sys.executable, "-c", code, str(home / "told")])
    (home / "alerts.toml").write_text(f'[[hook]]\nname = "team"\ncommand = {command}\n')
    with dg.DagsterInstance.get() as instance:
        fail(instance, "weekly")
        (failure,) = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
        since = {"runs": failure.storage_id, "checks": {}, "since": 1.0, "owed": []}
        keep(instance, "alerts", "blut", switch="DECLARED_IN_CODE", cursor=json.dumps(since))
        keep(instance, "reaper", "blut", switch="DECLARED_IN_CODE")
        keep(instance, "retraining", "blut", switch="STOPPED")
        fail(instance, "etl")
        run = fail(instance, "weekly")
        daemon = Path(sys.executable).with_name("dagster-daemon")
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, daemon, "run", "-w", home / "workspace.yaml"],
                env={**os.environ, "BLUT_ALERTS": str(home / "alerts.toml")},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: (home / "told").exists(), 120, process)
            words = "done by the code location blut, which loads Blut too"
            until(lambda: (home / "log").read_text().count(words) > 2, 120, process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        assert [json.loads(line)["run"] for line in (home / "told").read_text().splitlines()] == [run]
        now = kept(instance)
    assert ("alerts", "ml") in now and ("blut_alerts", "blut") in now
    assert "Traceback" not in (home / "log").read_text()
