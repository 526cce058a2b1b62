"""Starts, looks at and ends jobs of Slurm, with its own commands and without its accounting."""

import functools
import json
import math
import os
import re
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from blut_resources.launchers.base import LaunchRefused, Order
from blut_resources.launchers.files import PRINTED
from blut_resources.launchers.gathering import ArrayTask, NoArray
from blut_resources.launchers.scheduler import Busy, Sight, memory_of, seconds_of
from blut_resources.launchers.shared_query import shared
from blut_resources.launchers.transport import NoAnswer, ask
from blut_resources.machine.amounts import parse_size
from blut_resources.machine.memory import size_text
from blut_resources.text import meant, one_line

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile

SUBMIT_S, LOOK_S, CANCEL_S = 30.0, 5.0, 10.0
"""Seconds that a command may take; a controller that is away lets them hang."""
NODES_FOR_S = 60.0
"""Seconds for which the nodes of a cluster are believed to be as they were."""
SIGNAL_S = 30
"""Seconds beyond the grace period by which a job is told of its end."""
BUSY = re.compile(
    r"timed? ?out|unable to contact|temporarily|try again|connection refused|Zero Bytes|SubmitJob"
    r"|backup controller|not responding|slurm_persist|unable to accept|communication connection failure",
    re.IGNORECASE,
)
"""What sbatch says where the same may be accepted a minute later."""
NEEDED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "TZ")
"""Variables that an interpreter may not start without; the payload gets its own by the order."""
NO_ARRAY = re.compile(r"job array|SubmitJob", re.IGNORECASE)
"""What sbatch says where an array is larger than it takes, or than its user may submit."""
_NODES = "%P|%n|%m|%c|%G"
_JOBS = "JobArrayID:|,State:|,Reason:|,NodeList:|,RestartCnt:|,StartTime:|,exit_code:|"
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
_WAITING |= {"RESV_DEL_HOLD"}
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "PREEMPTED"}
_ENDED |= {"NODE_FAIL", "BOOT_FAIL"}
"""A word of another version of Slurm is no end: its files say that, or that the queue knows it no more."""


class Slurm:
    """Speaks with the Slurm that a profile names."""

    name, where = "slurm", ""

    def __init__(self, profile: "Profile") -> None:
        self._profile = profile

    def refuse(self, order: Order) -> str:
        """Says why no node of the partition can ever run it, with the figures; empty if one may."""
        nodes = _nodes(time.monotonic() // NODES_FOR_S)
        wanted = self._profile.partition
        parts = {node.partition.rstrip("*"): node.partition.endswith("*") for node in nodes}
        if not nodes:
            return ""  # nobody says what there is: sbatch does
        unknown = [one for one in wanted.split(",") if one and one not in parts]
        if unknown:
            return (
                f"partition={unknown[0]}: Slurm has no such partition{meant(unknown[0], parts)}; there are"
                f" {', '.join(sorted(parts))}"
            )
        mine = [n for n in nodes if n.partition.rstrip("*") in wanted.split(",")] if wanted else []
        mine = mine or [n for n in nodes if parts[n.partition.rstrip("*")]] or list(nodes)
        return self._too_large(order, mine)

    def _too_large(self, order: Order, nodes: "Sequence[_Node]") -> str:
        where = f"partition {nodes[0].partition.rstrip('*')}"
        memory, largest = memory_of(order, self._profile), max(nodes, key=lambda node: node.memory)
        if memory and memory > largest.memory:
            return (
                f"asks for {size_text(memory)} of memory ({_of_what(order, memory, self._profile)}), and the"
                f" largest node of {where}, {largest.name}, has {size_text(largest.memory)}: give it a"
                " smaller memory_max, or name another partition in its profile"
            )
        cpus, widest = self._cpus(order), max(nodes, key=lambda node: node.cpus)
        if cpus > widest.cpus:
            return f"asks for {cpus} CPUs, and no node of {where} has more than {widest.cpus} ({widest.name})"
        gpus, most = order.job.needs.gpus if order.job else 0, max(nodes, key=lambda node: node.gpus)
        if gpus > most.gpus:
            return f"asks for {gpus} GPUs, and no node of {where} has more than {most.gpus} ({most.name})"
        return ""

    def _cpus(self, order: Order) -> int:
        return self._profile.cpus or (order.job.needs.cpus if order.job else 0) or 1

    def about(self) -> str:
        """Returns what its nodes have. Raises NoAnswer."""
        nodes = {node.name: node for node in _asked_nodes()}
        if not nodes:
            return "Slurm, nodes: none"
        cpus, memory = (max(getattr(n, name) for n in nodes.values()) for name in ("cpus", "memory"))
        return f"Slurm, nodes: {len(nodes)}, at most CPU {cpus}, memory {size_text(memory)} on one"

    def submit(self, order: Order, command: str, comment: str, secrets: Sequence[str]) -> str:
        """Returns the id of a new job.

        Args:
            command: a line of shell that it runs.
            comment: by which it can be found again.
            secrets: names of variables that the job gets from this process, and no file holds.

        Raises:
            Busy: it may be accepted later; whether it was accepted is not known then.
            LaunchRefused: Slurm does not take such a job, with its own words.
        """
        script = _script(shlex.join(["set", "--", str(order.place)]), command)
        job, said = self._sbatch(order, [f"--comment={comment}"], script, secrets)
        if job:
            return job
        if BUSY.search(said):
            raise Busy(said)
        raise LaunchRefused(f"{order.name}: Slurm does not take its job: {said}")

    def alike(self, order: Order, start: str, secrets: Sequence[str]) -> str:
        """Returns a text that is equal for orders that can be jobs of one array; no secrets.

        Args:
            start: what a job runs, without its place.
            secrets: as for `submit`.
        """
        given = json.dumps([[name, order.env.get(name)] for name in sorted(secrets)])
        said = [start, *self._options(order), blake2b(given.encode(), digest_size=16).hexdigest()]
        return blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()

    def submit_array(
        self, order: Order, start: str, comment: str, secrets: Sequence[str], tasks: Mapping[int, ArrayTask]
    ) -> str:
        """Returns the id of a new array; see `ArrayScheduler`.

        Its script has the table of places, so that a node needs no other file to know what it is to do.
        """
        own = [f"--comment={comment}", f"--array={','.join(map(str, sorted(tasks)))}"]
        places = [f"{number}) set -- {shlex.join([str(t.place), t.key])} ;;" for number, t in tasks.items()]
        table = "\n".join(["case $SLURM_ARRAY_TASK_ID in", *places, "esac"])
        job, said = self._sbatch(order, own, _script(table, f'{start} "$@"'), secrets)
        if job:
            return job
        if NO_ARRAY.search(said):
            raise NoArray(said)
        if BUSY.search(said):
            raise Busy(said)
        raise LaunchRefused(f"{order.name}: Slurm does not take its job: {said}")

    def _sbatch(
        self, order: Order, own: Sequence[str], script: str, secrets: Sequence[str]
    ) -> tuple[str, str]:
        """Returns the id of what was submitted, else what sbatch says. Raises Busy."""
        given = {name: order.env[name] for name in secrets if name in order.env}
        names = [*(name for name in NEEDED if name in os.environ), *given]
        own = [*own, "--output=/dev/null", "--chdir=/", f"--export={','.join(names)}"]
        words = ["sbatch", *self._options(order), *own]
        try:
            answer = ask(words, SUBMIT_S, script, given)
        except NoAnswer as error:
            raise Busy(str(error)) from None
        job = answer.out.strip().partition(";")[0]
        if answer.status == 0 and job.isdecimal():
            return job, ""
        return "", one_line(answer.err.replace("\n", "; ") or answer.out, 600)

    def _options(self, order: Order) -> list[str]:
        """Returns what a job is asked for; nothing in it depends on its place."""
        profile = self._profile
        job_name = re.sub(r"[^\w.-]+", "-", order.name)[:60]
        options = ["--parsable", "--requeue", f"--job-name=blut-{job_name}"]
        options += ["--nodes=1", "--ntasks=1", f"--cpus-per-task={self._cpus(order)}"]
        if memory := memory_of(order, profile):
            options.append(f"--mem={math.ceil(memory / (1 << 20))}M")
        if seconds := seconds_of(order, profile):
            options.append(f"--time={math.ceil(seconds / 60)}")
        options.append(f"--signal=B:USR1@{math.ceil(order.grace_s) + SIGNAL_S}")
        if gres := self._gres(order):
            options.append(f"--gres={gres}")
        for name in ("partition", "account", "qos", "constraint"):
            if value := getattr(profile, name):
                options.append(f"--{name}={value}")
        return [*options, *profile.options]

    def _gres(self, order: Order) -> str:
        gres, gpus = self._profile.gres, order.job.needs.gpus if order.job else 0
        if re.search(r":\d+$", gres):
            return gres
        return f"{gres or 'gpu'}:{gpus}" if gpus else ""

    def find(self, comment: str) -> str | None:
        """Returns the id of a job by its comment; None if there is none. Raises NoAnswer."""
        for line in _squeue("JobArrayID:|,Comment:|").splitlines():
            job, _, said = line.partition("|")  # a path may have such a sign too
            own, number = said.strip().removesuffix("|").strip(), job.strip().partition("_")[2]
            if comment in (own, f"{own}#{number}"):
                return job.strip()
        return None

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        """Returns what Slurm knows of jobs, by one query. Raises NoAnswer."""
        which = f"{os.environ.get('SLURM_CONF', '')} {os.environ.get('PATH', '')}"
        said, now = shared(f"slurm {_JOBS} {which}", lambda: _squeue(_JOBS))
        found = dict.fromkeys(jobs, Sight("unknown", at=now))
        for line in said.splitlines():
            words = [word.strip() for word in line.split("|")]
            if len(words) > 6 and words[0] in found:
                found[words[0]] = _sight(words, now)
        return found

    def end(self, job: str, *, at_once: bool) -> None:
        """Ask a job to end, with its grace period, or at once.

        Raises:
            NoAnswer: nobody took the request.
            ValueError: there is no job of that id. Without one, scancel takes the rest of its words for a
                choice among all jobs.
        """
        if not job[:1].isdecimal():
            raise ValueError(f"{job!r} is no id of a job of Slurm")
        words = ["scancel", job] if at_once else ["scancel", "--batch", "--signal=TERM", job]
        answer = ask(words, CANCEL_S)
        if answer.status < 0 or (answer.status and BUSY.search(answer.err)):
            raise NoAnswer(answer.err or f"{words[0]} was killed")

    def ask_again(self, job: str) -> None:
        """Do nothing: Slurm gives no job up that waits."""


def _script(place: str, command: str) -> str:
    """Returns what a job runs. It prints into its place, which it does not need for its start: where a node
    does not see that, Slurm would start nothing, and not say why.

    Args:
        place: a line of shell that makes its place the first argument.
    """
    return f'#!/bin/sh\n{place}\ncd "$1" && exec >>{PRINTED} 2>&1\n{command}\n'


def _sight(words: Sequence[str], now: float) -> Sight:
    _, word, reason, node, restarts, starts, status, *_ = words
    restarted = int(restarts) if restarts.isdecimal() else 0
    if word in _WAITING:
        reason = f"{reason}, starts at {starts}" if starts[:1].isdigit() else reason
        return Sight("waiting", word, reason, node, restarted, now)
    if word not in _ENDED:
        return Sight("running", word, reason, node, restarted, now)
    waited = int(status) if status.isdecimal() else -1  # as wait(2) gives it
    code = os.WEXITSTATUS(waited) if waited >= 0 and os.WIFEXITED(waited) else None
    return Sight("ended", word, reason, node, restarted, now, status=code)


class _Node:
    def __init__(self, partition: str, name: str, memory: str, cpus: str, gres: str) -> None:
        self.partition, self.name = partition, name
        self.memory = int(re.sub(r"\D", "", memory) or 0) << 20
        self.cpus = int(re.sub(r"\D", "", cpus) or 0)
        counted = re.findall(r"(?:^|,)gpu(?::[\w.-]+?)?:(\d+)(?=\(|,|$)", gres)
        self.gpus = sum(map(int, counted))


@functools.lru_cache(maxsize=1)
def _nodes(_: float) -> list[_Node]:
    """Returns a node for each partition that it is in; none where nobody says."""
    try:
        return _asked_nodes()
    except NoAnswer:
        return []


def _asked_nodes() -> list[_Node]:
    answer = ask(["sinfo", "--noheader", "--Node", f"--format={_NODES}"], LOOK_S)
    if answer.status:
        raise NoAnswer(one_line(answer.err.replace("\n", "; "), 600))
    lines = [line.split("|") for line in answer.out.splitlines()]
    return [_Node(*line) for line in lines if len(line) == 5]


def _squeue(fields: str) -> str:
    words = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--Format={fields}"]
    answer = ask(words, LOOK_S)
    if answer.status:
        raise NoAnswer(one_line(answer.err, 200))
    return answer.out


def _of_what(order: Order, memory: int, profile: "Profile") -> str:
    limit = order.limits.memory_max
    if limit:
        return f"memory_max of {size_text(limit)}, and {size_text(memory - limit)} for what holds it there"
    of_profile = profile.mem and memory == parse_size(profile.mem, "mem")
    return "mem of its profile" if of_profile else "what it is expected to take, and some more"
