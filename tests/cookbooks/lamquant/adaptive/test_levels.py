"""States become levels, levels stand in the file, and states are read back; where bits go is measured."""

import io
import json
import math

import numpy as np
import pytest

from cookbooks.lamquant.adaptive.advantage import PER_LEVEL, coarsest
from cookbooks.lamquant.adaptive.choosing import expected_advantage
from cookbooks.lamquant.adaptive.fidelity import labelled_samples, pooled, sums_of
from cookbooks.lamquant.adaptive.levels import StateLevels, StatesMissing
from cookbooks.lamquant.codec_command.files import FileJob
from cookbooks.lamquant.codec_command.info import described, told
from cookbooks.lamquant.labels.kinds import NONE, SEEN_CRITICAL, UNLABELLED
from cookbooks.lamquant.lqc.container.header import FileHeader
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.offsets import frame_offsets
from cookbooks.lamquant.lqc.signals import array_signal
from cookbooks.lamquant.lqc.targets import Level
from cookbooks.lamquant.pictures.spending import spent
from tests.cookbooks.lamquant.lqc.recording_case import related, small_model

LEVELS = StateLevels((8, 12, 16, 20))
RATE, FRAME_MS = 256.0, 250
QUIET, BASELINE, INTERESTING, CRITICAL = range(4)


def file_of(states: np.ndarray, profile: str = "full", channels: int = 2, seconds: float = 40.0) -> bytes:
    x, out, base = related(channels, seconds), io.BytesIO(), LEVELS.base(states, profile)
    encode_stream(
        [array_signal(x, RATE)], out, small_model(), Level(float(base)), profile=profile,
        about=FileHeader((), facts=LEVELS.facts(base)), courses=[LEVELS.course(states, base, FRAME_MS)],
    )  # fmt: skip
    return out.getvalue()


def read(data: bytes, levels: StateLevels = LEVELS) -> np.ndarray:
    reader = ChunkReader(data)
    return levels.read(frame_offsets(reader, 0), reader.header.facts)


@pytest.mark.parametrize("profile", ["full", "device"])
def test_a_frame_has_the_loudest_state_that_it_reaches_into(profile) -> None:
    states = np.full(160, QUIET, np.uint8)
    states[60:80], states[100:104] = CRITICAL, INTERESTING
    found = read(file_of(states, profile))
    hop = ChunkReader(file_of(states, profile)).header.groups[0].hop
    for frame, state in enumerate(found):
        first, end = max(0, frame - 1) * hop / RATE * 4, (frame + 1) * hop / RATE * 4
        assert state == states[int(first) : max(math.ceil(end), int(first) + 1)].max(initial=states[-1])


def test_states_that_change_all_the_time_come_back_and_one_that_does_not_has_no_offset() -> None:
    states = np.random.default_rng(1).integers(0, 4, 160).astype(np.uint8)
    offsets = frame_offsets(ChunkReader(data := file_of(states)), 0)
    assert offsets is not None
    base = LEVELS.base(states, "full")
    assert offsets.follows(LEVELS.course(states, base, FRAME_MS)).all()
    assert read(data).max() == CRITICAL
    still = file_of(np.full(160, INTERESTING, np.uint8))
    offsets = frame_offsets(ChunkReader(still), 0)
    assert offsets is not None and not offsets.finer.any() and set(read(still)) == {INTERESTING}


def test_info_says_which_share_of_time_has_which_state(tmp_path) -> None:
    states = np.full(160, BASELINE, np.uint8)
    states[40:80] = CRITICAL
    path = tmp_path / "night.lqc"
    path.write_bytes(file_of(states))
    row = described(FileJob(path, path), 1, lambda done, of: None)
    (group,) = row["groups"]
    shares = {one["state"]: one["share"] for one in group["fineness"]}
    assert set(shares) == {"BASELINE", "CRITICAL"} and 0.2 < shares["CRITICAL"] < 0.35
    assert sum(shares.values()) == pytest.approx(1)
    text = told({"file": "night.lqc", **row})
    assert f"CRITICAL {100 * shares['CRITICAL']:.1f} %" in text
    json.dumps(row)


def test_bits_go_where_the_states_are() -> None:
    states = np.full(1200, QUIET, np.uint8)
    states[600:] = CRITICAL
    rows = spent(file_of(states, "device", channels=4, seconds=300.0))
    assert (np.diff(rows[:, 0]) > 0).all() and rows[0, 0] == 0
    assert rows[-1, 1] > 5 * rows[0, 1]


@pytest.mark.parametrize("levels", [(8, 12, 16), (8, 12, 12, 20), (20, 16, 12, 8), (8, 10, 12, 14, 16)])
def test_levels_are_four_and_ascend(levels) -> None:
    with pytest.raises(ValueError, match=r"levels=.*4 ascending whole numbers, for QUIET, .*CRITICAL"):
        StateLevels(levels)


def test_files_that_do_not_say_their_states_are_told_apart_from_those_that_say_others() -> None:
    data = file_of(np.full(160, QUIET, np.uint8))
    with pytest.raises(
        StatesMissing, match=r"levels in the file are \[8, 12, 16, 20\], not \[8, 12, 16, 19\]"
    ):
        read(data, StateLevels((8, 12, 16, 19)))
    offsets = frame_offsets(ChunkReader(data), 0)
    for facts in ({}, {"states": "QUIET"}, {"states": []}, {"states": {"base": 8}}):
        with pytest.raises(StatesMissing, match="says of no state"):
            LEVELS.read(offsets, facts)
    with pytest.raises(StatesMissing, match="frame 0 is at level 10: no state is"):
        LEVELS.read(offsets, {"states": [10, 8, 12, 16, 20]})


def test_errors_are_counted_where_they_are_and_every_channel_alike() -> None:
    rng = np.random.default_rng(0)
    x = np.rint(rng.normal(size=(3, 4000)) * np.array([[10.0], [1000], [0]])).astype(np.int32)
    labels = np.array([NONE] * 4 + [SEEN_CRITICAL] * 4 + [UNLABELLED] * 4 + [NONE] * 4, np.uint8)
    critical, elsewhere = labelled_samples(labels, 4000, 1000.0, FRAME_MS)
    assert np.flatnonzero(critical)[[0, -1]].tolist() == [1000, 1999]
    assert elsewhere.sum() == 2000 and not elsewhere[2000:3000].any()
    y = x.copy()
    y[0, 1000:2000] += 5  # half of the loudness of the first channel, nothing in the second
    y[:2, 2000:3000] = 0  # where nobody has looked
    inside, outside = sums_of(x, y, [critical, elsewhere])
    assert outside.prdn == 0 and outside.r == pytest.approx(1)
    both = [x[c, 1000:2000] - x[c].mean() for c in (0, 1)]
    scaled = sum(float((one**2).sum() / x[c].var()) for c, one in enumerate(both))
    assert inside.prdn == pytest.approx(100 * math.sqrt(1000 * 25 / x[0].var() / scaled))
    assert pooled([inside, inside]).prdn == pytest.approx(inside.prdn)
    assert pooled([]).prdn is None and pooled([]).r is None


@pytest.mark.parametrize("wanted", [41.0, 33.3, 20.0, 13.37])
def test_the_coarsest_level_that_serves_as_well_is_found_in_a_handful_of_tries(wanted) -> None:
    tried = []

    def error(level: float) -> float:
        tried.append(level)
        return 45 * 2 ** (-(level - 8) / 6) + 0.02 * math.sin(9 * level)

    level, found = coarsest(wanted, (8, 20), error)
    assert found <= wanted and len(tried) <= 9
    assert found > 0.996 * wanted or error(level - 1 / PER_LEVEL) > wanted


def test_where_no_level_or_every_level_serves_the_last_one_is_taken() -> None:
    assert coarsest(1.0, (8, 20), lambda level: 100.0 / level) == (20.0, 5.0)
    assert coarsest(99.0, (8, 20), lambda level: 100.0 / level) == (8.0, 12.5)


def test_a_point_is_chosen_for_patients_of_whom_some_seizures_will_be_missed() -> None:
    critical = np.zeros(400, np.bool_)
    critical[100:150] = True
    power = np.ones(400)
    sure = np.where(critical, CRITICAL, QUIET)
    careful = np.where(critical, CRITICAL, INTERESTING)
    levels = (10, 12, 16, 19)
    assert expected_advantage(sure, critical, power, levels, missed=0) > 2.5
    assert expected_advantage(sure, critical, power, levels, missed=0) > expected_advantage(
        careful, critical, power, levels, missed=0
    )
    assert expected_advantage(sure, critical, power, levels, missed=0.5) < expected_advantage(
        careful, critical, power, levels, missed=0.5
    )
    same = np.full(400, BASELINE)
    assert expected_advantage(same, critical, power, levels) == pytest.approx(1, abs=1e-3)
