"""Metrics of any kind can be said: none ends a training, and none takes another one with it."""

import datetime
import decimal
import enum
import math
from typing import Any

import numpy
import pytest

from blut_resources.payload_kit.values import NAME_MAX, TEXT_MAX, UNNAMED, plain, plain_values
from blut_resources.payloads.events import event_of


class Level(enum.IntEnum):
    HIGH = 3


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __float__ = __str__


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((7, 7), (-7, -7), (True, True), (None, None), (0.5, 0.5), ("warm up", "warm up")),
        *((2**63, 2.0**63), (-(2**70), -(2.0**70)), (Level.HIGH, 3), (decimal.Decimal("0.5"), 0.5)),
        *((numpy.float32(0.5), 0.5), (numpy.int64(-3), -3), (numpy.uint64(2**63), 2.0**63)),
        *((numpy.bool_(True), True), (numpy.array([[0.5]]), 0.5), (numpy.longdouble(0.5), 0.5)),
        *((numpy.array(2), 2), (numpy.str_("a"), "a"), ([1, 2], "[1, 2]"), (b"x", "b'x'")),
        *((1j, "1j"), ("a\nb", "a\\nb"), ("\ud800", "\\ud800"), (Hostile(), "a Hostile")),
        (datetime.date(2026, 3, 1), "2026-03-01"),
    ],
)
def test_a_value_is_what_can_be_said_of_it(value: Any, said: Any) -> None:
    found = plain(value)
    assert (found, type(found)) == (said, type(said))
    assert event_of({"event": "epoch", "epoch": 1, "metrics": {"x": found}})["metrics"] == {"x": said}


def test_what_is_no_number_stays_none() -> None:
    assert math.isnan(float(plain(numpy.float32("nan")) or 0))
    assert str(plain(10**400)).startswith("0x") and len(str(plain(numpy.ones(9999)))) <= TEXT_MAX


def test_no_name_takes_the_value_of_another() -> None:
    names = ["", UNNAMED, "loss", "Loss", "a.b", "a/b", "\n", "\\n", "x" * 300, "x" * 299, "x" * 400]
    found = plain_values(dict.fromkeys(names, 1))
    assert len(found) == len(names) and {"loss", "Loss", "a.b", "a/b", UNNAMED} < set(found)
    assert all(0 < len(name) <= NAME_MAX and name.isprintable() for name in found)
    assert event_of({"event": "epoch", "epoch": 1, "metrics": found})["metrics"] == found
