"""The page of an asset in a real browser: facts come first, the curve stands in place, the digest is last."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from blut_assets.cli.report.paper import BROWSERS
from blut_resources.instance.instance import open_instance
from tests.blut_assets.pages.test_headline import made
from tests.blut_resources.ui import test_ui as ui
from tests.lacking import NOT_TESTED

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.e2e]
SHOWN = """
import dagster as dg
from tests.blut_assets.pages.test_headline import measured
from tests.contained import RESOURCES
defs = dg.Definitions([measured], resources=RESOURCES)
"""


@pytest.mark.parametrize("width", [1280, 1600])
def test_the_facts_are_seen_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"{NOT_TESTED}Chromium: `apt install chromium`")
    monkeypatch.setattr(ui, "TINY", SHOWN)
    with ui.serving(tmp_path, "--port", "0") as served:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
        with open_instance() as instance:
            made(instance)
        url = f"http://127.0.0.1:{served.port}/assets/pages/measured?token={served.token}"
        how = ["--headless=new", "--no-sandbox", f"--user-data-dir={tmp_path / 'browser'}"]
        how += [f"--window-size={width},900", "--virtual-time-budget=30000", "--dump-dom"]
        done = subprocess.run([browser, *how, url], capture_output=True, text=True, timeout=120)
    page = done.stdout
    assert "<strong>14.5 %</strong>" in page and '<img src="data:image/svg+xml,' in page
    text = re.sub(r"<[^>]+>", "|", page)
    order = ("Computed in", "14.5 %", "curve of loss", "[Show Markdown]", "|rows|", "|14.5391|", "|digest|")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "Column name" not in text, "no list of fields stands before the facts"
