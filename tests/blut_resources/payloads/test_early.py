"""A payload that has had enough is ended when it has kept what it was given, and not before."""

from collections.abc import Mapping
from typing import Any

import pytest

from blut_resources.payloads import early
from blut_resources.payloads.early import Early


def after_two(event: Mapping[str, Any]) -> str:
    return "enough" if event.get("epoch", 0) >= 2 else ""


def said(kind: str, epoch: int) -> dict[str, Any]:
    return {"event": kind, "epoch": epoch}


@pytest.mark.parametrize("first", ["epoch", "checkpoint"])
def test_it_is_ended_once_when_both_are_there(first: str) -> None:
    other = {"epoch": "checkpoint", "checkpoint": "epoch"}[first]
    one = Early(after_two)
    ends = [one.hears(said(kind, epoch)) for epoch in (1, 2, 3) for kind in (first, other)]
    assert ends == [False, False, False, True, False, False] and one.why == "enough"


def test_one_without_checkpoints_is_ended_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Early(after_two)
    assert not one.hears(said("epoch", 2)) and one.overdue() == ""
    monkeypatch.setattr(early, "PATIENCE_S", -1.0)
    assert one.overdue() == "enough"


def test_what_is_given_up_between_two_epochs_ends_at_its_next_checkpoint() -> None:
    words = [""]
    one = Early(lambda _: words[0])
    assert not one.hears(said("epoch", 5)) and not one.hears({"event": "step", "step": 1})
    words[0] = "given up"
    assert one.overdue() == "" and one.why == "given up"
    assert one.hears(said("checkpoint", 5))
