"""A computation waits for a machine that may be at the same, whatever is left of its mark."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blut_assets.stages import alone
from blut_assets.stages.computation import Computation


def test_a_machine_whose_mark_went_meanwhile_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sights, said = [True, True, False], list[str]()
    monkeypatch.setattr(alone, "is_out_of_sight", lambda _: sights.pop(0))
    monkeypatch.setattr(alone, "BEAT_S", 0)
    monkeypatch.setattr(alone, "say_waiting", lambda _instance, _run, text: said.append(text))
    context = SimpleNamespace(
        log=SimpleNamespace(info=said.append), instance=None, run=SimpleNamespace(run_id="r")
    )
    store = SimpleNamespace(work_path=lambda _: tmp_path)
    one: Any = SimpleNamespace(
        context=context, store=store, fingerprint="f", name="model", refuse_late=bool, refuse_lost=bool
    )
    alone.free_work(cast("Computation", one))
    assert not sights and "waiting for another machine" in said[0]
