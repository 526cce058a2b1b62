"""The frozen JSON as a typed object: whoever writes it by hand is told field, value and remedy."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from blut_resources.payload_kit.config import Bounds, read
from blut_resources.payload_kit.refuse import Refused
from tests.conftest import REPOSITORY


class Wish(BaseModel):
    """A pydantic model, as verdicts have them."""

    model_config = ConfigDict(extra="forbid")

    reason: str


@dataclass(frozen=True)
class Oven:
    """A part of the settings."""

    celsius: Annotated[float, Bounds(above=0, high=300)]


@dataclass(frozen=True)
class Baking:
    """Every kind of field."""

    loaves: Annotated[int, Bounds(1)]
    oven: Oven
    kind: Literal["rye", "wheat"] = "rye"
    steam: bool = False
    minutes: Annotated[float, Bounds(0)] | None = None
    seeds: Annotated[tuple[str, ...], Bounds(1)] | None = None
    notes: list[str] = field(default_factory=list)
    more: Mapping[str, Any] = field(default_factory=dict)
    wish: Wish | None = None


GOOD = {"loaves": 2, "oven": {"celsius": 240}}


def test_values_come_as_the_types_that_are_written_down() -> None:
    found = read({**GOOD, "seeds": ["oat"], "minutes": None, "wish": {"reason": "hunger"}}, Baking)
    assert found == Baking(2, Oven(240.0), seeds=("oat",), wish=Wish(reason="hunger"))
    assert type(found.oven.celsius) is float


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loaves": 0}, "loaves=0: must be a whole number from 1"),
        ({"loaves": True}, "loaves=True: must be a whole number"),
        ({"loaves": 1.0}, "loaves=1.0: must be a whole number"),
        ({"loaf": 1}, "loaf=1: unknown; did you mean loaves? known: loaves, oven"),
        ({"oven": {"celsius": 301}}, "oven.celsius=301: must be a finite number to 300 above 0"),
        ({"oven": {}}, "oven.celsius: missing; give a finite number"),
        ({"oven": 3}, "oven=3: must be an object"),
        ({"kind": "oat"}, "kind='oat': must be one of rye, wheat"),
        ({"kind": None}, "kind=None: must be one of rye, wheat"),
        ({"steam": "no"}, "steam='no': must be true or false"),
        ({"minutes": float("nan")}, "minutes=nan: must be a finite number"),
        ({"minutes": -1}, "minutes=-1: must be a finite number from 0"),
        ({"seeds": []}, "seeds=[]: must be a list from 1"),
        ({"notes": ["a", 1]}, "notes[1]=1: must be a text"),
        ({"wish": {"reason": "x", "till": 3}}, "wish.till=3: Extra inputs are not permitted"),
    ],
)
def test_a_bad_value_is_named_with_what_it_must_be(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        read({**GOOD, **change}, Baking)
    assert words in str(refused.value)


PAYLOAD = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.session import payload_session

@dataclass(frozen=True)
class Settings:
    loaves: int

@dataclass(frozen=True)
class Inputs:
    flour: Path
    salt: Path | None = None

with payload_session() as session, Ending().heard() as ending:
    settings, inputs = read_config(session, Settings), read_inputs(session, Inputs)
    with ending.finishing():
        session.step(1)
        time.sleep(0.5)
        (session.work / "checkpoint").write_text(inputs.flour.read_text())
    time.sleep(60)
"""


def start(tmp_path: Path, config: Any, **inputs: str) -> subprocess.Popen[str]:
    """A payload with a frozen JSON that somebody wrote by hand."""
    path = tmp_path / "config.json"
    places = {"out": str(tmp_path / "out"), "work": str(tmp_path / "work")}
    path.write_text(json.dumps({"fingerprint": "", "config": config, "inputs": inputs, **places}))
    command = [sys.executable, "-c", PAYLOAD, "--config", str(path)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize(
    ("config", "inputs", "words"),
    [
        ({"loaves": "two"}, {"flour": __file__}, "loaves='two': must be a whole number"),
        ({"loaves": 2}, {}, "input flour: missing; give a path"),
        ({"loaves": 2}, {"flour": "/nowhere"}, "input flour: there is nothing at /nowhere; give a path"),
        ([], {}, "not a payload configuration: config: []; give an object"),
    ],
)
def test_a_file_written_by_hand_is_refused_in_one_line(
    tmp_path: Path, config: Any, inputs: dict[str, str], words: str
) -> None:
    _, said = start(tmp_path, config, **inputs).communicate()
    assert words in said and len(said.splitlines()) == 1, said


def test_a_process_that_is_asked_to_end_finishes_its_checkpoint_first(tmp_path: Path) -> None:
    (tmp_path / "flour").write_text("rye")
    process = start(tmp_path, {"loaves": 1}, flour=str(tmp_path / "flour"))
    assert process.stdout is not None and "step" in process.stdout.readline()
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert (tmp_path / "work" / "checkpoint").read_text() == "rye"
    assert process.returncode == 1 and "the next attempt resumes" in said
    assert time.monotonic() - began < 20


def test_what_only_needs_a_session_stays_cheap_to_import() -> None:
    kit = ("session", "refuse", "say", "seed", "device", "ending", "config")
    script = (
        f"import sys, {', '.join(f'blut_resources.payload_kit.{name}' for name in kit)}; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "pydantic", "dagster", "dagster_pipes", "blake3", "yaml"}
    assert not heavy & set(loaded.stdout.split())
