"""What may pass by itself is tried again, from the checkpoint; what the user has to mend is not."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_resources.instance.instance import open_instance
from blut_resources.leases.lease import holders
from blut_resources.payloads.admission import WAITING_TAG
from tests.recorded import Left
from tests.scripted import RESOURCES

pytestmark = pytest.mark.usefixtures("home")
PAYLOAD = "tests.payloads.away"
ASSET = "test/away"


class AwayConfig(StageConfig):
    """How each attempt ends, as JSON."""

    HOW = frozenset({"fails"})

    fails: str = "[]"
    epochs: int = 4


class Away(Artifact):
    kind = "test.away"
    attempts: int


@stage_asset(cookbook="test", group="training", payloads=[PAYLOAD])
def away(stage: Stage, config: AwayConfig) -> Steps[Away]:
    """Train, if it can."""
    given = {"fails": json.loads(config.fails), "epochs": config.epochs}
    return Away(**(yield from stage.run(PAYLOAD, config=given, inputs={})))


def train(*fails: str, **config: Any) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {"test__away": {"config": {"fails": json.dumps(fails), **config}}}}
    with open_instance() as instance:
        return dg.materialize(
            [away], resources=RESOURCES, instance=instance, run_config=run_config, raise_on_error=False
        )


def said(result: dg.ExecuteInProcessResult) -> str:
    failed: Any = next(event for event in result.all_events if event.is_step_failure)
    failure = failed.event_specific_data.user_failure_data
    return failure.description if failure else failed.event_specific_data.error.to_string()


def retried(result: dg.ExecuteInProcessResult) -> int:
    kind = dg.DagsterEventType.STEP_UP_FOR_RETRY
    return sum(event.event_type is kind for event in result.all_events)


class Server(ThreadingHTTPServer):
    """Answers with what it is told, and counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, _, after = self.path[1:].partition("/")
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(int(status))
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.shutdown()
    found.server_close()


def test_it_goes_on_from_the_checkpoint_and_everything_says_that_it_was_tried_again(server: Server) -> None:
    begun = time.monotonic()
    result = train(server.url("503/1"), "reset")
    assert result.success and retried(result) == 2 and time.monotonic() - begun > 1.0  # as the server asks
    left = Left(result.run_id)
    assert [row["epoch"] for row in left.rows(ASSET)] == [1, 2, 3, 4]
    told = left.manifest["assets"][ASSET]
    assert [(one["cause"], one["retry"], one["of"]) for one in told["retried"]] == [
        ("network", 1, 2),
        ("network", 2, 2),
    ]
    assert told["state"] == "computed" and left.manifest["outcome"] == "succeeded"
    assert "503" in told["retried"][0]["error"]
    with open_instance() as instance:
        run = instance.get_run_by_id(result.run_id)
        assert run and run.tags[WAITING_TAG].startswith("no more")


def test_what_somebody_has_to_mend_is_not_tried_again(server: Server) -> None:
    for epochs, how in enumerate([server.url("401"), server.url("404"), "bad", "killed"], 1):
        result = train(how, epochs=epochs)
        assert not result.success and not retried(result)
        assert "retried" not in Left(result.run_id).manifest["assets"][ASSET]
    result = train(server.url("429/7200"), epochs=5)  # nobody waits for hours
    assert not retried(result) and "7200 s" in said(result)


def test_it_is_tried_so_often_and_the_failure_says_how_often() -> None:
    for epochs, retries in ((5, 0), (6, 1)):
        result = train(*["reset"] * 4, epochs=epochs, retries=retries)
        assert not result.success and retried(result) == retries
        assert ("after 1 retry " in said(result)) == bool(retries)
        told = Left(result.run_id).manifest["assets"][ASSET]
        assert told["state"] == "failed" and told["epochs"] == retries + 1
    assert train(*["reset"] * 2, epochs=6).success  # the next run goes on


def test_a_full_disk_is_waited_for_until_it_has_room_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full, asked = tmp_path / "full", []
    monkeypatch.setattr(
        "blut_assets.stages.retries.is_nearly_full", lambda place: asked.append(place) or full.exists()
    )
    full.touch()
    result = train("full")
    assert not result.success and not retried(result) and "no room" in said(result)
    assert Left(result.run_id).manifest["outcome"] == "full disk"
    monkeypatch.setenv("BLUT_RETRY_WAIT", "1s")
    threading.Timer(2.0, full.unlink).start()
    begun = time.monotonic()
    assert train("full", retries=8, epochs=5).success
    assert 1.5 < time.monotonic() - begun < 60


def test_who_waits_to_try_again_holds_no_lease_and_no_lock_and_stops_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_RETRY_WAIT", "60s")
    seen: list[int] = []

    def look() -> None:
        time.sleep(2.0)
        seen.append(len(holders()))

    looks = threading.Thread(target=look)
    looks.start()
    begun = time.monotonic()
    result = train("reset", deadline="4s")
    looks.join()
    assert not result.success and time.monotonic() - begun < 20 and seen == [0]
    assert Left(result.run_id).manifest["outcome"] == "deadline"
    threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    result = train("reset", epochs=5)
    assert not result.success and time.monotonic() - begun < 20
    assert Left(result.run_id).manifest["outcome"] == "cancelled"


def test_a_wait_that_makes_no_sense_is_refused_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_RETRY_WAIT", "soon")
    result = train()
    assert not result.success and "BLUT_RETRY_WAIT" in said(result)
