"""Whatever a payload says or prints, the run says what was wrong with it and stays small."""

import contextlib
import json
import re
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster._core.pipes.context import PipesMessageHandler
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from blut_resources.payloads import tail as message_tail
from blut_resources.payloads.events import MessageError, event_of, parse
from blut_resources.payloads.messages import MessageTail
from blut_resources.payloads.output import BURST, TAIL, LogTee
from tests.blut_resources.payloads.test_run import failure, run


def event(**fields: Any) -> str:
    said = {"method": "report_custom_message", "params": {"payload": fields}}
    return json.dumps(said).encode().decode("latin-1")


HOSTILE = {
    "no UTF-8": ("\xff", "not a message (invalid start byte)"),
    "no JSON": ("hello", "b'hello': not a message (Expecting value)"),
    "a list": ("[1,2]", "the line = [1, 2]: must be a JSON object"),
    "null": ("null", "the line = None: must be a JSON object"),
    "an empty object": ("{}", "method = None: must be one of opened, closed, log"),
    "deep": ("[" * 200_000, "more than 64 levels; flatten them"),
    "deep, and JSON": ("[" * 70 + "]" * 70, "more than 64 levels; flatten them"),
    "many digits": ("1" * 5000, "not a message (Exceeds the limit"),
    "no parameters": ('{"method":"opened"}', "params = None: must be a JSON object"),
    "another method": ('{"method":"report_wish","params":{}}', "method = 'report_wish': must be one of"),
    "a check without a name": (
        '{"method":"report_asset_check","params":{"asset_key":"a"}}',
        "report_asset_check.params: not what the Pipes protocol has there",
    ),
    "no event": (event(), "event = None: must be one of step, epoch"),
    "a forged end": (event(event="ended", outcome={"kind": "ok"}), "event = 'ended': must be one of"),
    "a forged gauge": (event(event="gauge", values={}), "event = 'gauge': must be one of"),
    "no epoch": (event(event="epoch", metrics={}), "epoch.epoch is missing: say it"),
    "an epoch in words": (event(event="epoch", epoch="1", metrics={}), "epoch.epoch = '1': Input should be"),
    "a list for a number": (
        event(event="epoch", epoch=1, metrics={"loss": [1]}),
        "epoch.metrics.loss = [1]: must be a number of at most 64 bits",
    ),
    "a number of 400 digits": (
        event(event="step", step=1, values={"loss": 10**400}),
        "step.values.loss = a number of 401 digits: must be a number",
    ),
    "a name to clear the screen": (
        event(event="step", step=1, values={"\x1b[2J": 1}),
        r"step.values.\x1b[2J = '\x1b[2J': must be a name of 1 to 256 printable characters",
    ),
    "half a character": (event(event="diverged", message="\ud800"), "not a message (surrogates not allowed)"),
    "facts in words": (event(event="done", facts="all"), "done.facts = 'all': Input should be"),
    "a forged exception": (
        '{"method":"closed","params":{"exception":{"stack":3}}}',
        "closed.params: not what the Pipes protocol has there",
    ),
}


@pytest.mark.parametrize(("line", "words"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_event_is_told_by_line_field_value_and_remedy(
    tmp_path: Path, line: str, words: str
) -> None:
    with pytest.raises(MessageError) as caught:
        list(heard(tmp_path / "messages", f"{event(event='step', step=1, values={})}\n{line}\n"))
    assert str(caught.value).startswith("the payload said on line 2: ")
    assert words in str(caught.value) and len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


def heard(path: Path, text: str) -> Iterator[dict[str, Any]]:
    path.write_bytes(text.encode("latin-1"))
    tail = MessageTail(path)
    nowhere: Any = None
    with tail.read_messages(PipesMessageHandler(nowhere, tail)):
        yield from tail.events()
        while tail.behind:
            yield from tail.events()


class Full:
    """Takes no message, for the disk of its history is full."""

    def handle_message(self, message: object) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def test_a_history_that_takes_nothing_is_no_fault_of_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_text('{"method":"log","params":{"message":"hello"}}\n')
    tail = MessageTail(path)
    with tail.read_messages(Full()), pytest.raises(OperationalError, match="disk is full"):
        list(tail.events())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_an_event_or_a_named_error(line: bytes) -> None:
    with contextlib.suppress(MessageError):
        event_of(parse(line)[1].get("payload"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = st.sampled_from(
    ["step", "of", "values", "epoch", "metrics", "phase", "path", "name", "message", "facts"]
)
KINDS = st.sampled_from(["step", "epoch", "checkpoint", "artifact", "diverged", "done", "ended", "started"])


@settings(max_examples=300, deadline=None)
@given(KINDS, st.dictionaries(FIELDS, JSON, max_size=5))
def test_an_event_has_what_its_readers_take_for_granted(kind: str, fields: dict[str, Any]) -> None:
    try:
        said = event_of(parse(event(event=kind, **fields).encode("latin-1"))[1]["payload"])
    except MessageError as error:
        assert re.match(r"(the line|event|step|epoch|checkpoint|artifact|diverged|done|b')", str(error))
        return
    assert kind in ("step", "epoch", "checkpoint", "artifact", "diverged", "done")
    for name, value in {**said.get("values", {}), **said.get("metrics", {})}.items():
        assert value is None or (isinstance(value, int | float | str) and name.isprintable())
        assert not isinstance(value, int) or abs(value) < 1 << 63


@pytest.mark.parametrize("epoch", [0, 3, 0.1429])
def test_a_point_of_the_curves_may_lie_inside_an_epoch(epoch: float) -> None:
    said = event_of({"event": "epoch", "epoch": epoch, "metrics": {"loss": 1.0}})
    assert said["epoch"] == epoch and type(said["epoch"]) is type(epoch)


def test_a_line_longer_than_a_message_may_be_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b" " * (1 << 20))
    tail, nowhere = MessageTail(path), None
    tracemalloc.start()
    try:
        with (
            tail.read_messages(nowhere),
            pytest.raises(MessageError, match="1: a message of more than 4 MiB"),
        ):
            list(tail.events())
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_names_of_values_have_an_end(tmp_path: Path) -> None:
    lines = [event(event="step", step=n, values={f"{n}-{i}": 1.0 for i in range(100)}) for n in range(21)]
    with pytest.raises(MessageError, match="line 21: more than 2000 different names of values"):
        list(heard(tmp_path / "messages", "\n".join(lines) + "\n"))


def test_an_epoch_may_have_thousands_of_metrics(tmp_path: Path) -> None:
    wide = {f"layer/{number}.grad": float(number) for number in range(5000)}
    (said,) = heard(tmp_path / "messages", event(event="epoch", epoch=1, metrics=wide) + "\n")
    assert said["metrics"] == wide


def test_a_metric_with_the_name_of_another_column_has_its_own() -> None:
    said = event_of({"event": "epoch", "epoch": 2, "metrics": {"run_id": 1, "metric_run_id": 2, "step": 3}})
    assert said["metrics"] == {"metric_metric_run_id": 1, "metric_run_id": 2, "metric_step": 3}


def test_reading_steps_costs_the_same_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted for a new owner is noted once a chunk, and once for an event that is not a step."""
    noted: list[int] = []
    monkeypatch.setattr(MessageTail, "_note_consumed", lambda self: noted.append(self._n_read))
    lines = [event(event="step", step=number, values={"loss": 0.5}) for number in range(20_000)]
    lines[500] = event(event="epoch", epoch=1, metrics={})
    size = sum(map(len, lines)) + len(lines)
    assert len(list(heard(tmp_path / "messages", "\n".join(lines) + "\n"))) == 20_000
    assert 501 in noted and len(noted) <= size // message_tail.CHUNK + 3


@pytest.mark.usefixtures("home")
def test_a_run_names_the_line_ends_the_payload_and_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, lines=[event(event="ended", outcome={}, enforcement={})], sleeps=600)
    assert not result.success
    words = "tests.payloads.scripted: the payload said on line 2: event = 'ended': must be one of step"
    assert words in failure(result)
    data = result.failure_data_for_node("test__scripted")
    assert data and data.user_failure_data
    assert data.user_failure_data.metadata["outcome"].value == "bad-message"


@pytest.mark.usefixtures("home")
def test_a_flood_of_output_keeps_its_head_and_tail_and_obeys_nobody(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(monkeypatch, prints="\x1b[2J\x1b]52;c;aGk=\x07line\n", times=600_000, exit=3)
    shown = capfd.readouterr().err
    assert not result.success and len(shown) < 4 * (BURST + 2 * TAIL)
    assert "of output left out ...]" in shown
    assert r"\x1b[2J\x1b]52;c;aGk=\x07line" in shown and "\x1b[2J" not in shown and "\x07" not in shown
    assert "the reason is on standard error" in shown and "the reason is on standard error" in failure(result)
    assert "\x1b" not in failure(result)


def test_what_is_left_out_of_the_output_is_given_back_and_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.touch()
    tee = LogTee(log)
    with log.open("ab", buffering=0) as payload:
        for number in range(64):
            payload.write(f"{number:07d}\n".encode() * (1 << 17))
            tee.pump()
        taken = log.stat().st_blocks * 512
    tee.close()
    shown = capfd.readouterr().err
    assert log.stat().st_size == 64 << 20 and taken < 16 << 20
    assert shown.startswith("0000000\n") and shown.endswith("0000063\n")
    left_out = re.findall(r"\[\.\.\. [\d.]+ [KM]iB of output left out \.\.\.\]", shown)
    assert left_out and len(shown) < BURST + 64 * len(left_out) + 2 * TAIL
