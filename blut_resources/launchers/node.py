"""Turns an order into what a node can start: paths of its own, and code that is proved to be the same."""

from __future__ import annotations

import base64
import json
import os
import sys
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from blut_resources.launchers.files import CODE, CONFIG, CONTEXT, MESSAGES, OUT
from blut_resources.payload_kit.libraries import COMPUTE

FRAMEWORK = str(Path(__file__).absolute().parents[2])
PIPES = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")
OF_THE_NODE = ("SLURM_", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES")
"""Beginnings of variables that say what a job was given: they come from the node."""


class MovedPaths:
    """Replaces paths by those that stand for them on this node and in this attempt."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """Prepare to replace each path, and what lies below it, by another; the longest one counts."""
        self._pairs = sorted(pairs.items(), key=lambda pair: -len(pair[0]))

    def path(self, text: str) -> str:
        """Returns what a path is here; text that is none of those stays as it is."""
        for old, new in self._pairs:
            if text == old or text.startswith(f"{old}{os.sep}"):
                return new + text[len(old) :]
        return text

    def all(self, value: Any) -> Any:
        """Returns a value of JSON with every path in it replaced, keys of objects included."""
        if isinstance(value, str):
            return self.path(value)
        if isinstance(value, list):
            return [self.all(one) for one in value]
        if isinstance(value, dict):
            return {self.path(key): self.all(one) for key, one in value.items()}
        return value


def moved(launch: Mapping[str, Any], place: Path, attempt: Path) -> MovedPaths:
    """Returns what stands for the paths of an order, in one attempt at it on this node."""
    pairs = {str(place / name): str(attempt / name) for name in (CONFIG, CONTEXT, MESSAGES, CODE)}
    if launch["own_out"]:
        pairs[launch["out"]] = str(attempt / OUT)
    # an interpreter may lie within the checkout, and stays where it is
    stays = {prefix: prefix for prefix in launch["prefixes"]}
    return MovedPaths({launch["root"]: FRAMEWORK, **stays, **pairs})


def prepare(launch: Mapping[str, Any], place: Path, attempt: Path) -> tuple[list[str], dict[str, str]]:
    """Write the files of one attempt; returns its command and its environment.

    Raises:
        OSError: the share has no room, or the files of the order are gone.
    """
    here = moved(launch, place, attempt)
    (attempt / MESSAGES).touch(mode=0o600)
    if launch["own_out"]:
        (attempt / OUT).mkdir()
    for name in (CONFIG, CONTEXT):
        told = json.loads((place / name).read_text())
        (attempt / name).write_text(json.dumps(here.all(told), indent=1))
    told = json.loads((place / CODE).read_text())
    told["path"] = _search_path(launch, told["path"])
    (attempt / CODE).write_text(json.dumps(here.all(told)))
    command = [here.path(word) for word in launch["command"]]
    return [sys.executable, *command[1:]], _environment(launch, here)


def _search_path(launch: Mapping[str, Any], path: list[str]) -> list[str]:
    """Returns where modules are looked for: with another interpreter, where that one has its libraries."""
    theirs = tuple(f"{prefix}{os.sep}" for prefix in launch["prefixes"])
    if sys.prefix in launch["prefixes"] or not theirs:
        return path
    own = [one for one in sys.path if one and one != FRAMEWORK]
    return list(dict.fromkeys([*own[:3], *(one for one in path if not one.startswith(theirs)), *own[3:]]))


def _environment(launch: Mapping[str, Any], here: MovedPaths) -> dict[str, str]:
    env = {name: here.path(value) for name, value in launch["env"].items()}
    env |= {name: os.environ[name] for name in launch["passed"] if name in os.environ}
    env = {name: value for name, value in env.items() if not name.startswith(OF_THE_NODE)}
    env |= {name: value for name, value in os.environ.items() if name.startswith(OF_THE_NODE)}
    for name in PIPES:
        if name in env:
            env[name] = _encoded(here.all(_decoded(env[name])))
    if path := env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(here.path(one) for one in path.split(os.pathsep))
    if not os.path.isdir(env.get("TMPDIR", "/tmp")):  # noqa: PTH112, S108
        env["TMPDIR"] = os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    return env


def _decoded(text: str) -> Any:
    """Returns what Dagster Pipes has put into a variable."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def _encoded(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def differs(launch: Mapping[str, Any], place: Path) -> str:
    """Says what of the code is not here what was ordered, with both commits; empty if all of it is.

    Every file that is a part of the code version is digested again, where it lies on this node.
    """
    told = json.loads((place / CODE).read_text())
    here = MovedPaths({launch["root"]: FRAMEWORK})
    names = {path: name for name, path in told["modules"].items()}
    for path, wanted in sorted(told["files"].items()):
        file = here.path(path)
        try:
            found = blake2b(Path(file).read_bytes(), digest_size=20).hexdigest()
        except OSError as error:
            found = f"nothing ({error.strerror})"
        if found != wanted:
            what = names.get(path) or "a file that it reads"
            where = f"{FRAMEWORK} on {os.uname().nodename}"
            return (
                f"{launch['module']} was not started: {where} has other code than the run that ordered it."
                f" {what} ({file}) is {found[:40]} there and {wanted} here; the commit is {commit()} there"
                f" and {launch['commit']} here; `blut launch sync {launch['profile']}` gives it this one"
            )
    return ""


def commit() -> str:
    """Returns the commit of the source that this process runs; of a copy, the digest that it is called by."""
    from blut_resources.machine.environment import git_state

    found = git_state(Path(FRAMEWORK)) or {}
    name = str(found.get("commit", f"that of {Path(FRAMEWORK).name}"))
    return f"{name[:20]}{' with changes' if found.get('dirty') else ''}"


def environment() -> dict[str, str]:
    """Returns the versions that a result may depend on: of Python, and of the libraries that compute."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for place in sys.path:
        for name in os.listdir(place) if os.path.isdir(place) else ():  # noqa: PTH112, PTH208
            library, _, version = name.removesuffix(".dist-info").rpartition("-")
            if library in COMPUTE and name.endswith(".dist-info"):
                found.setdefault(library, version)
    return found
