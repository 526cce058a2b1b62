"""What Ray is asked over HTTP: a job that it has given up is ordered again, once, and nothing is deleted."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from blut_resources.launchers.profiles import Profile
from blut_resources.launchers.ray import WAITS_IN_VAIN, Ray
from blut_resources.launchers.transport import NoAnswer

FIRST = "blut-0123456789abcdef-a1b2c3"


class _Head(ThreadingHTTPServer):
    """Answers as the head of a Ray does, as far as it is asked here."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.deaf_after_orders = False
        self.nodes = [
            {"node_name": "n1", "node_id": "0" * 20, "state": "ALIVE", "resources_total": {"CPU": 4}}
        ]

    def give_up(self, job: str) -> None:
        self.jobs[job] |= {"status": "FAILED", "error_type": WAITS_IN_VAIN}


class _Handler(BaseHTTPRequestHandler):
    server: _Head  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if self.path == "/api/version":
            self._say(200, {"ray_version": "2.60.0"})
        elif self.path == "/api/v0/nodes":
            self._say(200, {"data": {"result": {"result": self.server.nodes}}})
        else:
            self._say(200, [*self.server.jobs.values()])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path.endswith("/stop"):
            self.server.jobs[self.path.split("/")[-2]]["status"] = "STOPPED"
            return self._say(200, {"stopped": True})
        job = asked["submission_id"]
        if job in self.server.jobs:
            return self._say(500, f"ValueError: Job with submission_id {job} already exists.")
        self.server.jobs[job] = {"status": "PENDING", "error_type": None, **asked}
        if self.server.deaf_after_orders:
            return self.close_connection_at_once()
        return self._say(200, {"submission_id": job})

    def do_DELETE(self) -> None:
        self.server.jobs.pop(self.path.split("/")[-1], None)
        self._say(200, {"deleted": True})

    def close_connection_at_once(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.close_connection = True

    def _say(self, status: int, what: Any) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        said = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def head() -> Iterator[_Head]:
    made = _Head()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    said = {"submission_id": FIRST, "entrypoint": "true", "entrypoint_num_cpus": 1}
    metadata = {"blut": "comment", "blut-order": json.dumps(said)}
    made.jobs[FIRST] = {**said, "metadata": metadata, "status": "PENDING", "error_type": None}
    made.jobs["raysubmit_x.y"] = {"submission_id": None, "status": "RUNNING", "error_type": None}
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def ray(head: _Head) -> Ray:
    address = f"http://127.0.0.1:{head.server_address[1]}"
    return Ray(Profile.model_validate({"kind": "ray", "address": address}))


def test_what_was_given_up_is_ordered_again_once_by_all_who_want_it(head: _Head, ray: Ray) -> None:
    assert ray.look([FIRST])[FIRST].state == "waiting"
    head.give_up(FIRST)
    sight = ray.look([FIRST])[FIRST]
    assert sight.given_up and FIRST in head.jobs, "who only looks orders nothing, and deletes nothing"
    ray.ask_again(FIRST)
    assert head.jobs[f"{FIRST}.1"]["metadata"] == head.jobs[FIRST]["metadata"]
    ray.ask_again(FIRST)
    assert len(head.jobs) == 3 and not ray.look([FIRST])[FIRST].given_up
    head.jobs[f"{FIRST}.1"] |= {"status": "RUNNING"}
    assert ray.look([FIRST])[FIRST].state == "running", "the last order counts"
    assert not [asked for asked in head.asked if asked.startswith("DELETE")]


def test_two_who_order_at_once_and_an_answer_that_is_lost_make_one_job(head: _Head, ray: Ray) -> None:
    head.give_up(FIRST)
    before = ray._orders()
    head.deaf_after_orders = True
    with pytest.raises(NoAnswer):
        ray.ask_again(FIRST)
    head.deaf_after_orders = False
    ray._orders = lambda: before  # another process that has looked before
    ray.ask_again(FIRST)
    assert [job for job in head.jobs if job.startswith(FIRST)] == [FIRST, f"{FIRST}.1"]


def test_each_order_has_the_next_number(head: _Head, ray: Ray) -> None:
    for number in range(11):
        head.give_up(f"{FIRST}.{number}" if number else FIRST)
        ray.ask_again(FIRST)
    assert f"{FIRST}.11" in head.jobs and ray.look([FIRST])[FIRST].state == "waiting"


def test_an_end_is_asked_of_what_has_not_ended_and_of_nobody_without_an_id(head: _Head, ray: Ray) -> None:
    head.give_up(FIRST)
    ray.ask_again(FIRST)
    ray.end("", at_once=True)
    ray.end(FIRST, at_once=True)
    stopped = [asked for asked in head.asked if asked.endswith("/stop")]
    assert stopped == [f"POST /api/jobs/{FIRST}.1/stop"]


def test_a_head_says_what_it_is(head: _Head, ray: Ray) -> None:
    assert ray.about() == "Ray 2.60.0, nodes: 1, at most CPU 4 on one"
    head.nodes = []
    assert ray.about() == "Ray 2.60.0, nodes: none"
