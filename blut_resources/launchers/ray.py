"""Starts, looks at and ends jobs of Ray, by the HTTP interface of its head: no package of Ray is needed here.

What Ray calls memory is a figure for its scheduling alone: the agent's own unit holds the payload to it.
"""

# Three things that Ray does, and what is done here:
#
# - A submission id is taken once, so the id is made of the order: to ask again is never a second job.
# - What has waited for 15 minutes without a place is FAILED, though it never began. Such a job is ordered
#   again under its id and a number; what it was ordered with is in its metadata, for Ray does not tell what
#   it asks for. Nothing is deleted for that: who dies between the two would leave no job, and a head that is
#   late would take away the one that another has ordered by then.
# - `stop` kills 3 seconds after SIGTERM. So only what is to end at once is stopped; the rest finds the file
#   that asks for its end, and has its grace period.
#
# Everybody who sees the dashboard sees what a job was ordered with: no secret is sent.

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from blut_resources.launchers.base import LaunchRefused, Order
from blut_resources.launchers.scheduler import Busy, Sight, memory_of
from blut_resources.launchers.transport import NoAnswer
from blut_resources.machine.memory import size_text
from blut_resources.text import one_line
from blut_resources.web_call import call

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile

SUBMIT_S, LOOK_S = 60.0, 5.0
"""Seconds for an answer; a head that starts takes its time for the first job."""
ANSWER_BYTES = 64 << 20
TOKEN, TOKEN_FILE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""Variables by which Ray's own client gets its token, if the head asks for one."""
ORDERED = "blut-order"
"""The metadata of a job that says what it was ordered with."""
WAITS_IN_VAIN = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
LITTLE = 0.001
"""Of each resource, what a job asks for that only looks."""
SHOWN = ("CPU", "GPU", "memory")
OVER = ("SUCCEEDED", "STOPPED", "FAILED")
_WORDS = {"SUCCEEDED": "COMPLETED", "STOPPED": "CANCELLED"}
_LOST = {"JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"}


class Ray:
    """Speaks with the Ray whose head a profile names."""

    name = "ray"

    def __init__(self, profile: "Profile") -> None:
        self._profile, self.where = profile, profile.address

    def refuse(self, order: Order) -> str:
        """Says why no node that is there now can run it, with the figures; empty if one can."""
        asked = self._resources(order)
        try:
            nodes = self._nodes()
        except NoAnswer:
            return ""  # nobody says what there is: the job waits
        if not nodes or any(all(has.get(k, 0) >= v for k, v in asked.items()) for has in nodes.values()):
            return ""
        for name, wanted in asked.items():
            largest = max(nodes, key=lambda node: nodes[node].get(name, 0))
            most = nodes[largest].get(name, 0)
            if most < wanted:
                return (
                    f"asks for {name} {_said(name, wanted)}, and the node of {self.where} with most of it,"
                    f" {largest}, has {_said(name, most)}"
                )
        return f"no single node of {self.where} has {asked}, though for each of them there is one"

    def about(self) -> str:
        """Returns its version, and what its nodes have. Raises NoAnswer."""
        try:
            version = self._ask("GET", "/api/version", LOOK_S)["ray_version"]
        except (RayError, KeyError, TypeError) as error:
            raise NoAnswer(f"{self.where} is no head of Ray ({error})") from None
        if not (nodes := self._nodes()):
            return f"Ray {version}, nodes: none"
        most = {name: max(has.get(name, 0) for has in nodes.values()) for name in SHOWN}
        largest = ", ".join(f"{name} {_said(name, amount)}" for name, amount in most.items() if amount)
        return f"Ray {version}, nodes: {len(nodes)}, at most {largest or 'nothing'} on one"

    def look_around(self, command: str) -> str:
        """Returns the id of a job that takes next to nothing, so that it need not wait for what others do.

        Raises:
            NoAnswer: the head does not take it, with its own words.
        """
        body: dict[str, Any] = {"submission_id": f"blut-doctor-{os.urandom(6).hex()}"}
        body |= {"entrypoint": command, "entrypoint_num_cpus": LITTLE}
        body["entrypoint_resources"] = {name: min(v, LITTLE) for name, v in self._profile.resources.items()}
        try:
            return self._order(body)
        except RayError as error:
            raise NoAnswer(str(error)) from None

    def _nodes(self) -> dict[str, dict[str, float]]:
        """Returns the resources of each living node. Raises NoAnswer."""
        found = self._ask("GET", "/api/v0/nodes", LOOK_S)["data"]["result"]["result"]
        alive = [node for node in found if node["state"] == "ALIVE"]
        return {f"{node['node_name']} ({node['node_id'][:8]})": node["resources_total"] for node in alive}

    def _resources(self, order: Order) -> dict[str, float]:
        """Returns what a node must have, by Ray's names of it."""
        needs = order.job.needs if order.job else None
        asked: dict[str, float] = {"CPU": self._profile.cpus or (needs.cpus if needs else 0) or 1}
        if memory := memory_of(order, self._profile):
            asked["memory"] = memory
        if needs and needs.gpus:
            asked["GPU"] = needs.gpus
        return {**asked, **self._profile.resources}

    def submit(self, order: Order, command: str, comment: str, secrets: Sequence[str]) -> str:
        """Returns the id of the job of an order; one that is there already is not ordered again.

        Args:
            command: a line of shell that it runs.
            comment: of which its id is made.
            secrets: are not sent: the job has those of its node.

        Raises:
            Busy: it may be accepted later.
            LaunchRefused: Ray does not take such a job, with its own words.
        """
        asked = self._resources(order)
        own = {name: value for name, value in asked.items() if name not in ("CPU", "GPU", "memory")}
        body: dict[str, Any] = {
            "submission_id": _id_of(comment),
            "entrypoint": command,
            "entrypoint_num_cpus": asked["CPU"],
            "entrypoint_resources": own or None,
        }
        for name, key in (("GPU", "entrypoint_num_gpus"), ("memory", "entrypoint_memory")):
            if name in asked:
                body[key] = asked[name]
        said = {key: value for key, value in body.items() if value is not None}
        try:
            return self._order({**said, "metadata": {"blut": comment, ORDERED: json.dumps(said)}})
        except NoAnswer as error:
            raise Busy(str(error)) from None
        except RayError as error:
            raise LaunchRefused(f"{order.name}: Ray does not take its job: {error}") from None

    def _order(self, body: dict[str, Any]) -> str:
        try:
            return str(self._ask("POST", "/api/jobs/", SUBMIT_S, body)["submission_id"])
        except RayError as error:
            if "already exists" in str(error):
                return str(body["submission_id"])
            raise

    def find(self, comment: str) -> str | None:
        """Returns the id of a job by its comment; None if there is none. Raises NoAnswer."""
        job = _id_of(comment)
        try:
            self._ask("GET", f"/api/jobs/{quote(job)}", LOOK_S)
        except RayError as error:
            if error.status == 404:
                return None
            raise NoAnswer(str(error)) from None
        return job

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        """Returns what Ray knows of jobs, by one query; of one that was ordered again, of its last order.

        Raises:
            NoAnswer: the head does not answer.
        """
        now, orders = time.monotonic(), self._orders()
        return {
            job: _sight(orders[job][-1], now) if job in orders else Sight("unknown", at=now) for job in jobs
        }

    def _orders(self) -> dict[str, list[dict[str, Any]]]:
        """Returns what Ray says of each order of each job, by the id of the first. Raises NoAnswer."""
        try:
            known = self._ask("GET", "/api/jobs/", LOOK_S)
        except RayError as error:
            raise NoAnswer(str(error)) from None
        submitted = [said for said in known if said.get("submission_id")]  # and not what others began in Ray
        found: dict[str, list[dict[str, Any]]] = {}
        for said in sorted(submitted, key=lambda said: _number(said["submission_id"])):
            found.setdefault(_first(said["submission_id"]), []).append(said)
        return found

    def ask_again(self, job: str) -> None:
        """Order a job again that Ray has given up before it began; two who do that order it once.

        Raises:
            NoAnswer: the head does not take the order now.
        """
        orders = self._orders().get(job, [])
        if not orders or not _sight(orders[-1], 0.0).given_up:
            return
        body = json.loads(orders[-1]["metadata"][ORDERED])
        body |= {"submission_id": f"{job}.{len(orders)}", "metadata": orders[-1]["metadata"]}
        try:
            self._order(body)
        except RayError as error:
            raise NoAnswer(str(error)) from None

    def end(self, job: str, *, at_once: bool) -> None:
        """Ask a job to end at once; one that may take its grace period has been told by a file.

        Raises:
            NoAnswer: nobody took the request.
        """
        if not at_once:
            return
        for said in self._orders().get(job, []):
            if said["status"] not in OVER:
                self._stop(said["submission_id"])

    def _stop(self, job: str) -> None:
        try:
            self._ask("POST", f"/api/jobs/{quote(job)}/stop", LOOK_S)
        except RayError as error:
            if error.status != 404:
                raise NoAnswer(str(error)) from None

    def _ask(self, method: str, path: str, limit_s: float, body: dict[str, Any] | None = None) -> Any:
        """Returns what the head answers.

        Raises:
            NoAnswer: it does not answer, or not what a head of Ray would.
            RayError: it says that this cannot be done.
        """
        url = f"{self.where.rstrip('/')}{path}"
        headers = {"Content-Type": "application/json", **_authorization()}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
        try:
            answer = call(request, limit_s, ANSWER_BYTES)
            return json.loads(answer) if answer else None
        except urllib.error.HTTPError as error:
            said = error.read(1 << 16).decode(errors="replace")
            if error.code in (401, 403):
                raise RayError(error.code, f"{url} wants a token: set {TOKEN}, or {TOKEN_FILE}") from None
            if error.code in (429, 502, 503, 504):
                raise NoAnswer(f"{url}: HTTP {error.code}") from None
            raise RayError(error.code, one_line(_last_line(said), 600)) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(f"{url}: {one_line(str(error), 200)}") from None


class RayError(Exception):
    """Says what the head of a Ray refuses to do, in its own words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def _said(name: str, amount: float) -> str:
    return size_text(int(amount)) if name == "memory" else f"{amount:g}"


def _id_of(comment: str) -> str:
    """Returns the submission id of an order: the same for the same one."""
    *_, fingerprint, key = comment.split(":")
    return f"blut-{fingerprint[:16]}-{key}"


def _first(job: str) -> str:
    """Returns the id of the first order of a job, of that of any."""
    return job.partition(".")[0]


def _number(job: str) -> int:
    """Returns how many orders of a job were before the one with this id."""
    number = job.partition(".")[2]
    return int(number) if number.isdecimal() else 0


def _sight(said: dict[str, Any], now: float) -> Sight:
    status, error = str(said["status"]), said.get("error_type") or ""
    node = re.sub(r"^https?://|:\d+$", "", said.get("driver_agent_http_address") or "")
    reason = one_line(said.get("message") or "", 300)
    if status == "PENDING":
        return Sight("waiting", status, "no node of Ray has room" if not node else reason, node, at=now)
    if status == "RUNNING":
        return Sight("running", status, "", node, at=now)
    if error == WAITS_IN_VAIN and ORDERED in (said.get("metadata") or {}):
        again = "no node had room in the time that Ray waits; it is asked for again"
        return Sight("ended", "CANCELLED", again, at=now, given_up=True)
    word = "NODE_FAIL" if error in _LOST else _WORDS.get(status, status)
    return Sight("ended", word, reason, node, at=now, status=said.get("driver_exit_code"))


def _last_line(said: str) -> str:
    """Returns what a traceback ends with; any other text as it is."""
    lines = [line for line in said.splitlines() if line.strip(" .")]
    return lines[-1] if lines and "Traceback" in said else said


def _authorization() -> dict[str, str]:
    """Returns the header with the token of the user, if there is one, where Ray's own client looks for it."""
    token = os.environ.get(TOKEN, "")
    path = os.environ.get(TOKEN_FILE) or Path.home() / ".ray" / "auth_token"
    if not token:
        try:
            token = Path(path).read_text().strip()
        except (OSError, RuntimeError):
            return {}
    return {"Authorization": f"Bearer {token}"}
