"""One name that wants to be obeyed goes in wherever a name is taken; nothing that comes out obeys it."""

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from markdown_it import MarkdownIt

from blut_assets.pages import metadata as showing
from blut_resources.leases.files import HOLDER, Needs, claims
from blut_resources.leases.lease import describe, lease
from cookbooks.llm.chat import preview
from cookbooks.llm.chat.masking import Encoded
from cookbooks.llm.data.problems import Problem
from cookbooks.llm.evaluation.scores import table
from sensors.alerts.alert import Alert
from sensors.alerts.delivery import NotDelivered, deliver
from sensors.alerts.settings import Hook
from tests.e2e.scene import Scene

NAME = "![x](https:evil?b)<img src=x>\x1b]52;c;QQ==\x07\x1b[2J\u202e\n12:00:00 all: done\x9b1m|\udcff"
HOSTILE = f"{NAME}\ud800\x00{'a' * 10_000}"
METRIC = "![x](https:evil?b)<img src=x>|"
FILE = NAME.replace("/", "")
"""As a file may be called."""


def obeyed(text: str) -> set[str]:
    """What a terminal would obey, and what no encoding can write."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - {"\n", "\t"}


def drawn(markdown: str) -> set[str]:
    """What the UI makes of Markdown beside text, tables and emphasis."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
    return {kind for kind in kinds if kind.startswith(("image", "link", "html"))}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run whose payload says the name and fails, and one that goes well."""
    scene = Scene(tmp_path_factory.mktemp("names") / "scene")
    scene.behave(says=HOSTILE, metric=METRIC, exit=3)
    scene.failed = scene.blut("recipe", "run", "contained", "--set", "epochs=2")  # type: ignore[attr-defined]
    scene.behave(says=HOSTILE, metric=METRIC)
    scene.good = scene.blut("recipe", "run", "contained", "--set", f"word={NAME}")  # type: ignore[attr-defined]
    scene.behave()
    yield scene
    scene.close()


@pytest.mark.e2e
def test_a_run_and_everything_that_tells_of_it(scene: Scene) -> None:
    failed, good = scene.failed, scene.good  # type: ignore[attr-defined]
    assert (failed.returncode, good.returncode) == (1, 0), good.stderr
    newest, oldest = (row["id"] for row in json.loads(scene.blut("jobs", "--json").stdout))
    commands = [
        ["jobs"],
        *(["log", run, *how] for run in (newest, oldest) for how in ([], ["--output"], ["--events"])),
        *(["results", run] for run in (newest, oldest)),
        ["runs", "diff", newest, oldest],
        ["results", NAME],
        [NAME],
    ]
    said = [(words, scene.blut(*words)) for words in commands]
    for words, done in [*said, ("failed", failed), ("good", good)]:
        assert not obeyed(done.stdout + done.stderr), words
        assert "Traceback" not in done.stderr, done.stderr
    assert "\\x1b]52;c;QQ==\\x07" in good.stderr, "it is shown as what it is"
    for words in (["log", newest, "--json"], ["log", newest, "--events", "--json"]):
        for line in scene.blut(*words).stdout.splitlines():
            assert json.loads(line) and not obeyed(line)
    exact = json.loads(scene.blut("results", newest, "--json").stdout)
    assert METRIC in {row["metric"] for rows in exact["metrics"].values() for row in rows}


@pytest.mark.e2e
def test_the_ui_can_show_every_event_and_draws_nothing(scene: Scene) -> None:
    with scene.instance() as instance:
        for run in instance.get_runs():
            for entry in instance.all_logs(run.run_id):
                assert entry.is_dagster_event or not obeyed(entry.user_message), entry.user_message
                for value in _metadata(entry):
                    if isinstance(value, dg.MarkdownMetadataValue):
                        assert not drawn(value.md_str or "") and not obeyed(value.md_str or "")


def _metadata(entry: Any) -> list[Any]:
    data = entry.dagster_event.event_specific_data if entry.dagster_event else None
    made = getattr(data, "materialization", None)
    ours = ("curves", "inputs")
    return [value for name, value in made.metadata.items() if name not in ours] if made else []


@pytest.mark.e2e
@pytest.mark.parametrize("row", [json.dumps({"text": HOSTILE}), json.dumps({HOSTILE: 1})])
def test_data_in_a_file_of_that_name(scene: Scene, tmp_path: Path, row: str) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + FILE.encode("utf-8", "surrogateescape")))
    folder.mkdir()
    (folder / f"{FILE}.jsonl").write_text(f"{row}\n")
    one = str(len(row))
    for words in (
        ["add", f"all{one}", str(folder)],
        ["add", f"one{one}", str(folder / f"{FILE}.jsonl"), "--accept-bad"],
        ["add", NAME, str(folder)],
        ["list"],
        ["show", f"one{one}"],
        ["check", f"one{one}"],
    ):
        done = scene.blut("data", *words)
        assert not obeyed(done.stdout + done.stderr) and "Traceback" not in done.stderr, done.stderr
        said = (done.stdout + done.stderr).splitlines()
        assert not any(line.startswith("12:00:00") for line in said), (words, done)
    paths = {row["path"] for row in json.loads(scene.blut("data", "list", "--json").stdout)}
    assert str(folder.resolve() / f"{FILE}.jsonl") in paths, "JSON is exact"


def test_whoever_holds_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))
    with lease(Needs(memory=1 << 20), holder={"run": HOSTILE, "asset": HOSTILE}, on_wait=print):
        (claim,) = claims(tmp_path / "leases", HOLDER)
        assert not obeyed(describe(claim)) and "\n" not in describe(claim) and len(describe(claim)) < 400


def test_an_alert_reaches_its_hook(tmp_path: Path) -> None:
    said = tmp_path / "said"
    hook = Hook(name="x", command=("/bin/sh", "-c", f'cat > {said}; echo "$BLUT_ALERT_MESSAGE" >> {said}'))
    facts = {"id": "a", "event": "run-failed", "at": "now", "run": "r", "job": HOSTILE, "check": HOSTILE}
    deliver(hook, Alert.model_validate({**facts, "message": HOSTILE * 20, "tags": {HOSTILE: HOSTILE}}))
    assert not obeyed(said.read_text()) and "all: done" in said.read_text()
    with pytest.raises(NotDelivered, match="hook x"):
        deliver(Hook(name="x", command=("/bin/sh", "-c", "printf '\\033[2J'; exit 1")), _alert())


def _alert() -> Alert:
    return Alert(id="a", event="run-failed", at="now", run="r", job="j", message="m")


def test_a_webhook_that_cannot_be_asked_for_is_refused_or_not_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="write that as %XX"):
        Hook(name="x", webhook="http://localhost/a\x00b", secret_env="SECRET")
    monkeypatch.setenv("SECRET", "\udcff")
    with pytest.raises(NotDelivered, match="hook x"):
        deliver(Hook(name="x", webhook="http://localhost:999999/", secret_env="SECRET"), _alert())


@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        HOSTILE.replace("\n", ""),
        dg.MetadataValue.text(HOSTILE),
        dg.MetadataValue.path(HOSTILE),
        dg.MetadataValue.table([dg.TableRecord({"place": HOSTILE})]),
    ],
)
def test_metadata_of_an_asset(value: Any) -> None:
    shown = showing.harmless(value)
    if isinstance(shown, dg.MarkdownMetadataValue):
        assert not drawn(shown.md_str or "")
    if isinstance(shown, dg.TableMetadataValue):
        (shown,) = (record.data["place"] for record in shown.records)
    assert not obeyed(str(getattr(shown, "value", shown)))


def test_tables_and_previews_of_a_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3, "method": "wilson"}
    tasks = [{"task": HOSTILE, "metrics": {HOSTILE: {"models": {HOSTILE: one}, "n": 1, "method": "wilson"}}}]
    tasks[0]["metrics"][HOSTILE]["method"] = "wilson"
    scores = table(tasks, [HOSTILE])
    assert not drawn(scores) and len(scores.splitlines()) == 3 and "<img" in _text(scores)
    problem = Problem(FILE, 1, "row", HOSTILE, "mend it", "broken")
    assert not obeyed(str(problem)) and "\n" not in str(problem)
    monkeypatch.setattr(preview, "decoded", lambda *_: HOSTILE)
    shown = preview.preview(None, [(f"{FILE}:1", Encoded([1], [1]))])  # type: ignore[arg-type]
    assert not drawn(shown) and not obeyed(shown)


def _text(markdown: str) -> str:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return "".join(child.content for token in tokens for child in token.children or ())
