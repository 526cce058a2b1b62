"""A recording is coded finer where a course says so; any decoder reads the file, and the course is in it."""

import io
from dataclasses import replace

import numpy as np
import pytest

from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode, encode_stream
from cookbooks.lamquant.lqc.errors import ChunkError, InputError
from cookbooks.lamquant.lqc.offsets import frame_offsets
from cookbooks.lamquant.lqc.signals import array_signal
from cookbooks.lamquant.lqc.targets import Level, MaxError, NoiseRatio
from tests.cookbooks.lamquant.lqc.recording_case import related, small_model

MODEL, RATE = small_model(), 256.0
pytestmark = pytest.mark.filterwarnings("ignore:profile device")
PROFILES = ("full", "device")


def alternating(seconds: int, finer: int, each: int = 10) -> Course:
    """A course that is finer in every other stretch of so many seconds."""
    return Course(np.where(np.arange(4 * seconds) // (4 * each) % 2, finer, 0), 0.25)


def found(data: bytes) -> np.ndarray:
    offsets = frame_offsets(ChunkReader(data), 0)
    assert offsets is not None
    return offsets.finer


@pytest.mark.parametrize("profile", PROFILES)
def test_errors_follow_the_course_and_bytes_lie_between_those_of_its_ends(profile) -> None:
    x, course = related(3, 80.0), alternating(80, 8)
    data = encode(x, RATE, MODEL, Level(12.0), profile=profile, course=course)
    low, high = (len(encode(x, RATE, MODEL, Level(level), profile=profile)) for level in (12.0, 20.0))
    assert low < len(data) < high
    away = np.square((decode(data, MODEL) - x).astype(float)).reshape(3, 8, -1)[:, :, 512:-512]
    coarse, fine = np.sqrt(away[:, ::2].mean()), np.sqrt(away[:, 1::2].mean())
    assert 1.7 < coarse / fine < 5  # two octaves of the step, and at the coarse one much is lost anyway


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_course_stands_in_the_file_frame_by_frame(profile, channels) -> None:
    rng = np.random.default_rng(channels)
    x = related(channels, 70.3)
    course = Course(rng.integers(-3, 5, 260), 0.25)  # another level nearly every frame, and it ends early
    data = encode(x, RATE, MODEL, Level(12.0), profile=profile, course=course)
    offsets = frame_offsets(ChunkReader(data), 0)
    assert offsets is not None and offsets.follows(course).all()
    assert abs(offsets.seconds().sum() - 70.3) < 0.01
    other = Course(course.finer + 1, 0.25)
    assert not offsets.follows(other).any()
    assert decode(data, MODEL).shape == x.shape


def test_a_frame_is_as_fine_as_the_finest_period_that_it_reaches_into() -> None:
    course = Course(np.array([0, 0, 0, 0, 6, 0, 0, 0]), 1.0)
    #  hop of half a second: frames f - 1 .. f + 1, so the period of second 4 touches frames 8 to 10
    assert course.of_frames(0, 17, 128, 256.0).tolist() == [0] * 8 + [6] * 3 + [0] * 6
    assert course.of_frames(7, 9, 128, 256.0).tolist() == [0, 6]


def test_a_course_of_nothing_changes_no_byte_and_a_target_holds_along_any_other() -> None:
    x = related(2, 60.0)
    plain = encode(x, RATE, MODEL, NoiseRatio(0.2))
    assert encode(x, RATE, MODEL, NoiseRatio(0.2), course=Course(np.zeros(1, int), 0.25)) == plain
    assert not found(plain).any()
    out = io.BytesIO()
    made = encode_stream(
        [array_signal(x, RATE)], out, MODEL, NoiseRatio(0.2), courses=[alternating(60, 6)], threads=1
    )
    error = np.sqrt(np.square((decode(out.getvalue(), MODEL) - x).astype(float)).mean(1)) / x.std(1)
    assert error.max() < 0.21 and abs(100 * error.max() - made.prdn) < 1e-6
    assert found(out.getvalue()).max() == 6


def test_levels_are_steps_in_quarter_octaves_of_how_strong_a_channel_is() -> None:
    x = related(2, 60.0, seed=4)
    sizes, errors = [], []
    for level in (8.0, 12.0, 16.0, 20.0):
        data = encode(x, RATE, MODEL, Level(level))
        sizes.append(len(data))
        errors.append(float(np.sqrt(np.square((decode(data, MODEL) - x).astype(float)).mean())))
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)
    assert encode(x, RATE, MODEL, Level(12.5)) != encode(x, RATE, MODEL, Level(12.0))


def test_a_damaged_chunk_is_named_and_costs_no_other() -> None:
    x = related(4, 300.0, seed=5)
    data = encode(x, RATE, MODEL, Level(10.0), course=alternating(300, 6))
    reader = ChunkReader(data)
    assert reader.n_chunks(0) > 2
    whole, at = found(data), data.index(reader.chunk(0, 1))
    flipped = bytearray(data)
    flipped[at + 3] ^= 64
    with pytest.raises(ChunkError) as refused:
        found(bytes(flipped))
    assert refused.value.chunk == 1
    assert len(whole) == reader.header.groups[0].n_frames(x.shape[1])


def test_what_cannot_be_a_course_is_refused_with_what_it_should_be() -> None:
    x = related(2, 20.0)
    with pytest.raises(InputError, match=r"level=12: from 12 to 21 along the course.*trained for 8 to 20"):
        encode(x, RATE, MODEL, Level(12.0), course=alternating(20, 9))
    with pytest.raises(InputError, match=r"from 7 to 7"):
        encode(x, RATE, MODEL, Level(7.0), profile="device")
    with pytest.raises(InputError, match="coded exactly, without steps"):
        encode(x, RATE, MODEL, MaxError(2), course=alternating(20, 4))
    signal = array_signal(x, RATE)
    with pytest.raises(InputError, match="1 of them for 2 signals"):
        encode_stream([signal, signal], io.BytesIO(), MODEL, Level(12.0), courses=[None])
    with pytest.raises(InputError, match="coded exactly"):
        encode_stream(
            [signal, replace(signal, exact=True)],
            io.BytesIO(),
            MODEL,
            Level(12.0),
            courses=[None, alternating(20, 4)],
        )
    for finer in (np.zeros(0, int), np.zeros((2, 2), int), np.array([0.5]), np.array([65])):
        with pytest.raises(InputError, match="course finer"):
            Course(finer, 0.25)
    for period_s in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="course period_s"):
            Course(np.zeros(1, int), period_s)


def test_channels_that_are_still_or_coded_exactly_have_no_course() -> None:
    still = np.full((2, 2560), 7, np.int32)
    data = encode(still, RATE, MODEL, Level(12.0), course=alternating(10, 4))
    assert frame_offsets(ChunkReader(data), 0) is None
    np.testing.assert_array_equal(decode(data, MODEL), still)
