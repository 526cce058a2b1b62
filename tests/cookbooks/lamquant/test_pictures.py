"""What a reviewer sees of a verdict: the right seconds, the right shares, the codecs by name."""

import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Floor
from blut_resources.store.artifacts import ArtifactMissing
from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.board import rate_board
from cookbooks.lamquant.gate.measure import Part
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.gate.rate_picture import RateFloors, draw_rate
from cookbooks.lamquant.payload.verdict_score import ScoreSettings, score
from cookbooks.lamquant.pictures.floors import draw_floors, used_up
from cookbooks.lamquant.pictures.rate import RATIOS
from cookbooks.lamquant.pictures.worst import draw_worst, spectrogram, worst_stretch
from tests.cookbooks.lamquant.verdict_case import made

PICTURES = "pictures_build"
RATE, PNG = 128, b"\x89PNG\r\n\x1a\n"


def _recording(digital: Any, scale: float = 0.5) -> Recording:
    count = len(digital)
    names = [f"ch{number}" for number in range(count)]
    return Recording("stem", "s1", names, RATE, digital, np.full(count, scale), np.zeros(count))


@pytest.fixture
def noisy() -> tuple[Recording, Any]:
    """Three channels of a minute, decoded with a little error everywhere and a burst in one place."""
    rng = np.random.default_rng(5)
    digital = np.rint(rng.normal(0, 400, (3, 60 * RATE))).astype(np.int32)
    decoded = digital + rng.integers(-20, 21, digital.shape)
    decoded[1, 33 * RATE : 36 * RATE] += rng.integers(-300, 301, 3 * RATE)
    return _recording(digital), decoded.astype(np.int32)


def test_the_worst_ten_seconds_are_those_with_the_fault_and_are_drawn_the_same_each_time(noisy):
    recording, decoded = noisy
    found = worst_stretch(recording, decoded, "pseudonym-7")
    assert found is not None
    assert (found.patient, found.recording, found.channel) == ("pseudonym-7", "stem", "ch1")
    assert found.from_s <= 33 and found.from_s + 10 >= 36
    assert found.original.max() == pytest.approx(0.5 * recording.digital[1][_part(found)].max())
    drawn = draw_worst(found)
    assert drawn.startswith(PNG) and drawn == draw_worst(found)


def _part(found: Any) -> slice:
    first = round(found.from_s * RATE)
    return slice(first, first + 10 * RATE)


def test_a_recording_that_never_moves_has_no_worst_seconds():
    digital = np.full((2, 30 * RATE), 7, np.int32)
    assert worst_stretch(_recording(digital), digital, "p") is None


def test_a_spectrogram_has_the_power_of_a_tone_at_its_frequency():
    t = np.arange(10 * RATE) / RATE
    hertz, power = spectrogram(3.0 * np.sin(2 * np.pi * 20 * t), RATE)
    middle = power[:, power.shape[1] // 2]
    assert hertz[int(middle.argmax())] == 20
    total = float((10 ** (middle / 10)).sum()) * (hertz[1] - hertz[0])
    assert total == pytest.approx(3.0**2 / 2, rel=0.02)


@pytest.mark.parametrize(
    ("op", "floor", "measured", "share"),
    [("<=", 20.0, 10.0, 0.5), ("<=", 20.0, 30.0, 1.5), (">=", 0.9, 0.95, 0.5), (">=", 0.9, 0.8, 2.0)],
)
def test_a_channel_uses_up_its_floor_at_one(op: Any, floor: float, measured: float, share: float):
    asked = Floor(kind="channel", name="channel_prdn", scope="stem", op=op, floor=floor)
    assert used_up(asked, measured) == pytest.approx(share)


def test_channels_that_cannot_be_measured_are_drawn_too():
    floors = [Floor(kind="channel", name="channel_prdn", scope="stem", op="<=", floor=20.0)]
    known = [Part("channel_prdn", 12.0, "ch0")]
    assert draw_floors({"stem": known}, floors).startswith(PNG)
    assert draw_floors({"stem": [*known, Part("channel_prdn", None, "ch1")]}, floors) != draw_floors(
        {"stem": known}, floors
    )


def _circles(svg: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle")
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in found]


def test_the_picture_of_rates_names_codecs_and_units_and_places_points_by_their_logarithms():
    curves = {"<ours> & co": [[4, 40], [8, 80], [16, 160]], "lost": [[math.nan, 3], [5, 0]]}
    svg = draw_rate("title", curves, RateFloors(18, 15))
    (x0, y0), (x1, y1), (x2, y2) = _circles(svg)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2) and x1 > x0
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2) and y1 < y0
    text = "".join(ElementTree.fromstring(svg).itertext())
    assert "<ours> & co" in text and "PRDN, %" in text and "CR of file bytes" in text and "lost" not in text


class _Store:
    """Artifacts in memory; a registry that is empty."""

    def __init__(self, root: Path, files: dict[str, bytes]) -> None:
        self.root, self._files = root, files

    def read(self, digest: str, name: str) -> bytes:
        assert name == "rate.json"
        if digest not in self._files:
            raise ArtifactMissing(digest)
        return self._files[digest]


def test_the_board_draws_each_candidate_once_and_passes_over_verdicts_without_points(tmp_path):
    a, b = "a" * 64, "b" * 64
    curves = {f"this candidate, {a[:12]}": [[5, 20], [10, 30]], "trained DCT": [[5, 10]]}
    store: Any = _Store(tmp_path, {"1": json.dumps({"curves": curves}).encode(), "2": b"damaged"})
    results = [{"candidate": c, "digest": d} for c, d in ((a, "1"), (a, "1"), (b, "2"), (b, "3"))]
    shown = rate_board(store, results)["rate"].md_str
    assert shown.startswith("![CR against PRDN](data:image/svg+xml;base64,")
    assert rate_board(store, results[2:]) == {}


def test_the_pictures_of_a_verdict_show_each_codec_at_every_error_and_are_the_same_each_time(case, tmp_path):
    verdict = tmp_path / "verdict.json"
    verdict.write_bytes(score(read(case.named(), ScoreSettings), case.inputs()).to_json())
    names = {"candidate": "this candidate", "incumbent": "the one before"}
    inputs = {**case.inputs(), "verdict": verdict, "incumbent": case.candidate}
    first, second = (
        {path.name: path.read_bytes() for path in made(tmp_path / n, PICTURES, names, **inputs).iterdir()}
        for n in _folders(tmp_path)
    )
    assert first == second and first.keys() == {"rate.json", "floors.png", "worst.png"}
    curves = json.loads(first["rate.json"])["curves"]
    assert curves.keys() == {"this candidate", "the one before", "trained DCT"}
    assert curves["this candidate"] == curves["the one before"] != curves["trained DCT"]
    for points in curves.values():
        assert len(points) == len(RATIOS) and points == sorted(points)
        assert [cr for _, cr in points] == sorted(cr for _, cr in points)

    # the page takes the picture from the artifact, and has none of one that was judged before
    for name, data in {**first, "verdict.json": verdict.read_bytes()}.items():
        (tmp_path / "1" / name).write_bytes(data)
    assert shown(tmp_path / "1")["rate"].md_str.startswith("![CR against PRDN](data:image/svg+xml")
    (tmp_path / "1" / "rate.json").unlink()
    assert "rate" not in shown(tmp_path / "1")


def _folders(root: Path) -> list[str]:
    for name in ("1", "2"):
        (root / name).mkdir()
    return ["1", "2"]
