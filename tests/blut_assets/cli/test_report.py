"""`blut report`: what it tells of runs that ended well, ended badly, go on, reused all, or lost files."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import pytest
import yaml
from huggingface_hub import ModelCardData
from markdown_it import MarkdownIt
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.cli.report.paper import BROWSERS
from blut_assets.cli.report.pictures import Picture, pictures_of
from blut_assets.cli.run.lookup import made_by
from blut_resources.files.durable import remove_tree
from blut_resources.instance.instance import open_instance, store_of
from tests.blut_resources.registry.test_versions import Bench
from tests.e2e.scene import Scene, until
from tests.lacking import NOT_TESTED

SEALED = "5ea1ed" * 10
RESULT = {
    "task": {"type": "other", "name": "mine"},
    "dataset": {"name": "sealed test set 5ea1ed5ea1ed", "type": "other", "revision": SEALED},
    "metrics": [{"type": "kl", "name": "kl", "value": 0.05}],
}
HOSTILE = "<script>alert(1)</script>"
Blut = Callable[..., Result]


class Page(HTMLParser):
    """What a browser makes of a file: its text in order, its tags, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags, self.fetched = "", set[str](), list[str]()
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._style = tag == "style"
        self.fetched += [v for k, v in attrs if k in ("src", "href", "data", "srcset") and v]

    def handle_endtag(self, tag: str) -> None:
        self._style = False
        self.words += "\n" if tag in ("tr", "h1", "h2", "h3", "p", "pre", "li") else " "

    def handle_data(self, data: str) -> None:
        self.words += "" if self._style else data

    def tells(self, *words: str) -> bool:
        """Whether it tells all of that, in this order."""
        return re.search(".*".join(map(re.escape, words)), self.words, re.DOTALL) is not None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run whose args and metrics are hostile, and the same once more."""
    scene = Scene(tmp_path_factory.mktemp("report") / "scene")
    scene.behave(metric=HOSTILE)
    for _ in range(2):
        done = scene.run(scene.recipe(epochs=3, word=HOSTILE))
        assert done == 0, scene.said()
    yield scene
    scene.close()


@pytest.fixture
def blut(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Blut:
    """Give a command in this process, which has loaded Dagster already."""
    for name, value in scene.env.items():
        monkeypatch.setenv(name, value)
    return given


def given(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="blut")


def told(asked: str, target: Path) -> Page:
    """What the report on it says; nobody fetches anything to read it."""
    done = given("report", asked, "-o", target)
    assert done.exit_code == 0, done.output
    page = Page(target.read_text())
    assert "script" not in page.tags and all(uri.startswith("data:image/") for uri in page.fetched)
    assert "url(" not in target.read_text() and "default-src 'none'" in target.read_text()
    return page


def runs(blut: Blut) -> list[str]:
    """The runs, the first one first."""
    return [run["id"] for run in json.loads(blut("jobs", "--json").stdout)[::-1]]


def test_a_run_is_told_from_its_outcome_to_how_to_repeat_it(blut: Blut, tmp_path: Path) -> None:
    first, second, *_ = runs(blut)
    page = told(first[:8], tmp_path / "first.html")
    data = ("What it was trained on", "contained/raw", "Plan and cost", "contained/trained", "computed")
    again = (
        "How to repeat it",
        "blut recipe run contained --args",
        HOSTILE,
        "commit",
        "Packages",
        "dagster==",
    )
    assert page.tells("contained", "success", first, "took", *data, "contained/judged", "computing took")
    assert page.tells(
        "Plan and cost", "Curves", "over 3 epochs", "Lineage", "trained: contained/trained", *again
    )
    assert len(page.fetched) == 1 and "missing" not in page.words and "resume" not in page.words
    page = told(second, tmp_path / "second.html")
    assert page.tells("contained/trained", f"reused, as run {first[:8]} computed it", "nothing was computed")
    assert page.tells("had taken", "Curves", "over 3 epochs"), "those of the run that computed them"


def test_a_run_that_goes_on_says_so_and_one_that_failed_says_why(
    scene: Scene, blut: Blut, tmp_path: Path
) -> None:
    scene.behave(exit=3, gate=str(tmp_path / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=5))
    until(lambda: scene.happened("epoch-1"), process=process)
    run = runs(blut)[-1]
    page = told(run, tmp_path / "early.html")
    assert page.tells("started", "had not ended when this was written", "contained/trained", "at work")
    assert page.tells("contained/judged", "still to come") and "failed" not in page.words
    (tmp_path / "gate").touch()
    assert process.wait() == 1
    page = told(run, tmp_path / "failed.html")
    assert page.tells("failure", "contained/trained: tests.payloads.trains: exit status 3", "newest epoch")
    assert page.tells("contained/trained", "failed: ", "contained/judged", "not reached", "over 5 epochs")
    assert page.tells("How to repeat it", f"blut plan resume {run[:8]}")


def test_what_was_removed_is_named(scene: Scene, blut: Blut, tmp_path: Path) -> None:
    run, judged = runs(blut)[1], scene.versions()["judged"]
    shutil.rmtree(scene.home / "runs" / run)
    with open_instance() as instance:
        remove_tree(store_of(instance).entry(judged))
    page = told(run, tmp_path / "lost.html")
    assert page.tells(
        "success", "What is missing", "manifest: not there", f"contained/judged, {judged[:12]}: not in"
    )
    assert page.tells("Plan and cost", "contained/trained", "computed", "Curves", "Lineage")
    done = given("report", run, "-o", tmp_path / "again.html", "--json")
    assert len(json.loads(done.stdout)["missing"]) == 2


def test_a_file_is_never_replaced_and_an_unknown_name_is_refused(
    blut: Blut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_), taken = runs(blut), tmp_path / "taken.html"
    taken.write_text("mine")
    refused = {
        "is there already": ("report", first, "-o", taken),
        "FILE.html or FILE.pdf, a model card FILE.md": ("report", first, "-o", tmp_path / "report.txt"),
        "there is no directory": ("report", first, "-o", tmp_path / "none" / "report.html"),
        "no run has an id that begins with 'zz'": ("report", "zz", "-o", tmp_path / "report.html"),
        "no model is called 'mine'; there are: none": ("report", "mine@prod", "-o", tmp_path / "r.html"),
    }
    for words, command in refused.items():
        done = blut(*command)
        assert done.exit_code == 2 and words in done.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    done = blut("report", first, "-o", tmp_path / "report.pdf")
    assert done.exit_code == 1 and "apt install chromium" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["taken.html"]
    assert taken.read_text() == "mine"


def test_on_paper(blut: Blut, tmp_path: Path) -> None:
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip(f"{NOT_TESTED}Chromium: `apt install chromium`")
    done = blut("report", runs(blut)[0], "-o", tmp_path / "report.pdf")
    assert done.exit_code == 0, done.stderr
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    assert re.search(rb"/MediaBox \[\s*0 0 59[45][.\d]* 84[12]", data), "A4"


def test_a_model_is_told_from_the_run_that_made_it(scene: Scene, blut: Blut, tmp_path: Path) -> None:
    first, trained = runs(blut)[0], scene.versions()["trained"]
    with open_instance() as instance:
        bench = Bench(tmp_path, store_of(instance))
        judged = bench.register("good")
        told_of = judged.model_dump(include={"inputs", "verdict", "passed", "figures", "license"})
        bench.registry.register("mine", candidate=trained, floors=judged.floors, run=first, **told_of)
    page = told("mine@2", tmp_path / "model.html")
    assert page.tells(
        "mine@2: contained", "success", first, "Curves", "Verdict", "on mine", "Passed", "kl", "met"
    )


@pytest.mark.usefixtures("home")
def test_a_model_whose_run_is_gone_is_told_from_its_verdict(tmp_path: Path) -> None:
    with open_instance() as instance:
        bench = Bench(tmp_path, store_of(instance))
        record = bench.register("good", run="run-1")
        bench.promote("next", 1, by="ada", why=HOSTILE)
    page = told("mine@next", tmp_path / "model.html")
    assert page.tells("mine@next", "What is missing", "run run-1, which registered it", "Verdict", "Passed")
    assert page.tells("On whose authority", "ada", HOSTILE, "floors", "kl", "<= 0.1", "met", "Lineage")
    assert record.candidate[:12] in page.words
    for asked, words in {
        "mine": "name a version or an alias, such as mine@1",
        "mime@prod": "no model is called 'mime' (did you mean 'mine'?); there are: mine",
        "mine@prod": "nothing is promoted to mine@prod; aliases of mine: next",
    }.items():
        done = given("report", asked, "-o", tmp_path / "refused.html")
        assert done.exit_code == 2 and words in done.stderr
    remove_tree(bench.store.entry(record.verdict))
    page = told("mine@1", tmp_path / "unjudged.html")
    assert page.tells("What is missing", f"the bytes of the verdict, {record.verdict[:12]}: not in the store")


def test_a_model_card_is_markdown_with_the_front_matter_of_a_hub(
    scene: Scene, blut: Blut, tmp_path: Path
) -> None:
    with open_instance() as instance:
        bench = Bench(tmp_path, store_of(instance))
        judged = bench.register("good", sealed=SEALED)
        told_of = judged.model_dump(include={"inputs", "verdict", "passed", "figures"})
        about = {"candidate": scene.versions()["trained"], "floors": judged.floors, "run": runs(blut)[0]}
        bench.registry.register("carded", **about, **told_of, license="Apache-2.0")
    done = blut("report", "carded@1", "-o", tmp_path / "README.md")
    assert done.exit_code == 0, done.output
    _, front, body = (tmp_path / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(front)
    (index,) = told.pop("model-index")
    # verdicts on the same bytes follow, where other tests have made some
    assert index["name"] == "carded@1" and index["results"][0] == RESULT
    assert told == {"license": "apache-2.0", "model_name": "carded@1", "tags": ["blut", "contained"]}
    read, *_ = ModelCardData(**yaml.safe_load(front)).eval_results or []
    assert (read.task_name, read.metric_type, read.metric_value) == ("mine", "kl", 0.05), (
        "by the hub's reader"
    )
    shown = Page(MarkdownIt("commonmark").enable("table").render(body))
    assert shown.tells("carded@1", "made by", "contained", "How it was judged", "Passed", "kl", "met")
    assert shown.tells("What it was trained on", "contained/raw", "contained/trained", "3", "loss")
    assert shown.tells("word", HOSTILE, "blut recipe run contained --args", HOSTILE)
    assert "script" not in shown.tags and {"table", "h2", "pre"} <= shown.tags


def test_pictures_are_taken_over_whole_and_nothing_that_is_fetched() -> None:
    uri = "data:image/png;base64,iVBORw0KGgo="
    shown = {
        "states": f"![states]({uri})",
        "elsewhere": "![x](https://example.com/x.png)",
        "curves": f"![c]({uri})",
    }

    @dg.asset
    def drawn() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={k: dg.MetadataValue.md(v) for k, v in shown.items()})

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([drawn], instance=instance).run_id
        events = made_by(instance, run)
        assert pictures_of(instance, events, drawn=["drawn"]) == [Picture("drawn", "states", uri)]
        assert [one.name for one in pictures_of(instance, events, drawn=())] == ["states", "curves"]
