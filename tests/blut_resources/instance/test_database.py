"""Which database the settings of a home name, and how one is written into them."""

import os
from pathlib import Path

import pytest
import yaml

from blut_resources.database.address import AddressRefused, parse
from blut_resources.instance.database import named, with_storage
from tests import forked
from tests.e2e.box import BLUT

ADDRESS = parse("postgresql://anna@db/blut")
BLOCK = "storage:\n  postgres:\n    postgres_url: postgresql+psycopg2://anna@db/blut\n"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUT_DATABASE", raising=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", BLOCK),
        ("# of mine\ntelemetry: {enabled: false}", f"# of mine\ntelemetry: {{enabled: false}}\n{BLOCK}"),
        ("database: postgresql://anna@db/blut\nnux: {enabled: false}\n", f"nux: {{enabled: false}}\n{BLOCK}"),
        (f"{BLOCK}\nnux: {{enabled: false}}\n".replace("anna", "bert"), f"nux: {{enabled: false}}\n{BLOCK}"),
    ],
)
def test_the_rest_of_the_settings_stays(before: str, after: str) -> None:
    assert with_storage(before, ADDRESS) == after


def test_settings_that_cannot_be_changed_safely_are_not() -> None:
    with pytest.raises(AddressRefused, match="write `storage: postgres"):
        with_storage("{telemetry: {enabled: false}, database: x}", ADDRESS)


@pytest.mark.parametrize(
    ("settings", "variable", "what"),
    [
        ("storage: {sqlite: {base_dir: /a}}", "postgresql://db/blut", "sqlite as the storage"),
        ("run_storage: {module: a, class: B}", "postgresql://db/blut", "a run_storage as the storage"),
        ("storage: {postgres: {postgres_url: {env: A}}}", "postgresql://db/blut", "by other means"),
        (BLOCK, "postgresql://anna@db/other", "a home has one history"),
        ("database: postgresql://a@db/b", "postgresql://a@db/c", "a home has one history"),
        ("database: postgresql://a:b@db/b", "", "holds a password"),
        ("database: 3", "", "write it as postgresql://"),
    ],
)
def test_a_home_has_one_history(
    settings: str, variable: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(settings)
    monkeypatch.setenv("BLUT_DATABASE", variable)
    with pytest.raises(AddressRefused, match=what):
        named(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("database", "show"),
        ("database", "copy", "postgresql://db/blut"),
        ("jobs",),
        ("log", "abc"),
        ("results",),
        ("results", "abc"),
        ("cancel", "abc"),
        ("cache", "show"),
        ("runs", "prune"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_home_that_nobody_has_made_is_told_of_in_one_sentence(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    env = {**os.environ, "DAGSTER_HOME": str(home)}
    done = forked.server(*forked.RUN).run([*BLUT[1:], *words], env, tmp_path)
    sentence = f"there is no Dagster instance in {home} yet; the first run makes one"
    assert done.stderr.count(sentence) == 1 and not home.exists(), done.stdout + done.stderr


def test_another_user_of_the_same_database_is_ones_own_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(BLOCK)
    assert named(tmp_path).address == ADDRESS and named(tmp_path).settings is None
    monkeypatch.setenv("BLUT_DATABASE", "postgresql://bert@db/blut")
    found = named(tmp_path)
    assert not found.is_new and found.settings is not None
    assert "bert@db" in yaml.safe_load(found.settings)["storage"]["postgres"]["postgres_url"]
