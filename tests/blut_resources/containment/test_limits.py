"""Sizes and durations as people write them; where a limit was said; what is refused, and how."""

from typing import Any

import pytest

from blut_resources.containment import Limits, LimitsError, parse_duration, parse_size

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("44G", 44 * GIB),
        ("44GiB", 44 * GIB),
        ("44 gb", 44 * GIB),
        ("1.5G", 3 * GIB // 2),
        ("16384k", 16 << 20),
        ("2T", 2048 * GIB),
        ("8388608", 8 << 20),
        (8 << 20, 8 << 20),
        (8e9, 8_000_000_000),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


BAD_SIZES = ["", "G", "44X", "-1G", "1e3G", "nan", "inf", "44 G 2", "0", "0G", 0, -5, True, None, 1.5, []]
HUGE = {"digits": "1" * 400, "number": 10**400, "longer": "1" * 10_000, "part": "1." + "1" * 400}


@pytest.mark.parametrize("text", [*BAD_SIZES, "9" * 30, float("inf"), float("nan")])
def test_sizes_refused(text: object) -> None:
    with pytest.raises(LimitsError, match=r"memory_max=.*: "):
        parse_size(text, "memory_max")


DURATIONS = {"90s": 90, "30m": 1800, "2h": 7200, "1d": 86400, "1.5h": 5400, 3: 3, "7": 7}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


BAD_DURATIONS = ["", "h", "2 weeks", "5sr", "-1s", "0", 0, float("nan"), float("inf"), True, None]


@pytest.mark.parametrize("text", BAD_DURATIONS)
def test_durations_refused(text: object) -> None:
    with pytest.raises(LimitsError, match=r"wall_clock_s=.*: "):
        parse_duration(text, "wall_clock_s")


def test_precedence() -> None:
    """What was said for this run counts more than the environment, and that more than a cookbook."""
    env = {"BLUT_MEMORY_MAX": "3G", "BLUT_TASKS_MAX": "64", "BLUT_WALL_CLOCK": "2h", "BLUT_SWAP_MAX": "0"}
    defaults = {"memory_max": "1G", "tasks_max": 10, "cpu_weight": 50}
    found = Limits.resolve({"memory_max": "4G", "tasks_max": None}, env, defaults)
    assert found == Limits(memory_max=4 * GIB, tasks_max=64, cpu_weight=50, wall_clock_s=7200)
    assert Limits.resolve({}, {"BLUT_MEMORY_MAX": ""}, defaults).memory_max == GIB


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ({"env": {"BLUT_MEMORY_MAX": "44X"}}, r"\$BLUT_MEMORY_MAX='44X'"),
        ({"env": {"BLUT_CPU_WEIGHT": "0"}}, r"\$BLUT_CPU_WEIGHT='0': must be a whole number"),
        (
            {"env": {"BLUT_CONTAINMENT": "docker"}},
            r"\$BLUT_CONTAINMENT='docker': must be one of auto",
        ),
        ({"env": {"BLUT_CONTAINMENT_MODE": "no"}}, r"\$BLUT_CONTAINMENT_MODE='no'"),
        ({"args": {"tasks_max": -1}}, "tasks_max=-1"),
        ({"args": {"memory_max": 44}}, 'memory_max=44: .*did you mean "44G"'),
        ({"args": {"memory_max": "1G", "memory_high": "2G"}}, "memory_high=2147483648: is above memory_max"),
        ({"defaults": {"memory": "1G"}}, "memory='1G': no such limit; there are memory_max"),
    ],
)
def test_refusals_name_their_source(said: dict[str, Any], source: str) -> None:
    with pytest.raises(LimitsError, match=source):
        Limits.resolve(**{"args": {}, "env": {}, "defaults": {}, **said})


def test_a_memory_limit_is_required_to_hold_unless_told_otherwise() -> None:
    assert Limits(memory_max=GIB).required
    assert not Limits().required
    assert not Limits(memory_max=GIB, mode="best-effort").required
    assert Limits(mode="required").required


@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
def test_a_number_without_an_end_is_refused_in_a_line(value: object) -> None:
    for parse in (parse_size, parse_duration):
        with pytest.raises(LimitsError, match=r"^memory_max=.*: not a ") as caught:
            parse(value, "memory_max")
        assert len(str(caught.value)) < 300
