"""The picture of a reconstruction says whose it is, and which band is lost."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cookbooks.lamquant.codec.preview import ValScore, draw_preview

WHERE = "validation recording ann__rest, channel 1, second 10 to 14"


def test_it_names_the_recording_and_the_bands_that_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    save = Figure.savefig

    def saved(figure: Figure, *args: Any, **options: Any) -> None:
        drawn.extend(one.get_text() for one in figure.findobj(Text))  # type: ignore[attr-defined]
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", saved)
    time = np.arange(1024) / 256
    slow, beta = 50 * np.sin(2 * np.pi * 2 * time), 5 * np.sin(2 * np.pi * 20 * time)
    assert draw_preview(ValScore(1.0, 1.0, 1.0, slow + beta, slow, 256.0, WHERE)).startswith(b"\x89PNG")
    assert WHERE in drawn
    lost = [text for text in drawn if text.endswith("more than half of this band is lost")]
    assert any(text.startswith("beta") for text in lost) and not any("delta" in text for text in lost)
