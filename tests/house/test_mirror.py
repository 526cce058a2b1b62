"""The tests mirror the tree: each package has its tests, and each file of tests has its subject."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TOPS = ("blut_assets", "blut_resources", "cookbooks", "sensors")
TESTED_ELSEWHERE: Mapping[str, str] = {
    "blut_assets/bundle": "tests/cookbooks/lamquant/test_verdict_bundle.py",
    "blut_assets/cli/commands": "tests/blut_assets/cli",
    "blut_assets/cli/run": "tests/blut_assets/cli",
    "blut_assets/cli/shell": "tests/blut_assets/cli/test_completion.py",
    "blut_assets/cli/views": "tests/blut_assets/cli",
    "blut_assets/defs": "tests/e2e/test_guest.py",
    "blut_assets/terminal": "tests/blut_assets/cli/test_command.py",
    "blut_resources/containment/backends": "tests/blut_resources/containment",
    "blut_resources/containment/sandbox": "tests/blut_resources/containment/test_isolation.py",
    "blut_resources/containment/supervisor": "tests/blut_resources/containment",
}
"""Packages that have no directory of tests, and where they are tested."""
COOKBOOKS = "cookbooks"
"""A cookbook is tested as a whole, so its directory of tests stands for the packages in it."""

SUBJECTS: Mapping[str, str] = {
    "blut_assets/cli/test_policy.py": "blut_assets/cli/commands/policy.py",
    "blut_assets/cli/test_alerting.py": "blut_assets/cli/run/alerting.py",
    "blut_assets/cli/test_plain.py": "blut_resources/screen.py",
    "blut_assets/cli/test_longwork.py": "blut_assets/terminal/longwork.py",
    "blut_assets/cli/test_init.py": "blut_assets/cli/commands/init.py",
    "blut_assets/cli/test_launch.py": "blut_assets/cli/commands/launch.py",
    # the command, by what a person does
    "blut_assets/cli/test_command.py": "blut_assets/cli/app.py",
    "blut_assets/cli/test_day.py": "blut_assets/cli/commands",
    "blut_assets/cli/test_model.py": "blut_assets/cli/commands/model.py",
    "blut_assets/cli/test_store.py": "blut_assets/cli/commands/cache.py",
    "blut_assets/cli/test_checked_places.py": "blut_assets/cli/commands/checked_places.py",
    "blut_assets/cli/test_detach.py": "blut_assets/cli/run/detach.py",
    "blut_assets/cli/sweep/test_faults.py": "blut_assets/cli/sweep",
    "blut_assets/cli/test_cockpit_results.py": "blut_assets/cli/cockpit/results.py",
    "blut_assets/cli/test_streams.py": "blut_assets/cli/shell/terminal.py",
    "blut_assets/cli/test_completion.py": "blut_assets/cli/shell/completion.py",
    "blut_resources/remote/test_commands.py": "blut_assets/cli/commands/cache_remote.py",
    "blut_resources/store/test_notes.py": "blut_resources/store/results.py",
    "blut_assets/pages/test_in_browser.py": "blut_assets/pages/headline.py",
    "blut_assets/recipes/test_fixed.py": "blut_assets/recipes/recipe.py",
    "blut_assets/recipes/test_like.py": "blut_assets/recipes/args.py",
    "blut_assets/layers/test_same.py": "blut_assets/layers/stack.py",
    "blut_assets/stages/test_doing.py": "blut_assets/stages/payloads.py",
    "blut_assets/stages/test_freshness.py": "blut_assets/stages/computation.py",
    "blut_assets/recipes/test_partitioned.py": "blut_assets/recipes/recipe.py",
    "blut_assets/versions/test_moves.py": "blut_assets/versions/graph.py",
    # a unit and its supervisor, by what happens to them
    "blut_resources/containment/test_death.py": "blut_resources/containment/supervisor/main.py",
    "blut_resources/containment/test_ends.py": "blut_resources/containment/outcome.py",
    "blut_resources/containment/test_enforcement.py": "blut_resources/containment/backends",
    "blut_resources/containment/test_handover.py": "blut_resources/containment/unit.py",
    "blut_resources/containment/test_boundary.py": "blut_resources/containment/supervisor/boundary.py",
    "blut_resources/containment/test_isolation.py": "blut_resources/containment/sandbox/isolation.py",
    "blut_resources/containment/test_spawning.py": "blut_resources/containment/backends/spawning.py",
    "blut_resources/containment/test_memory.py": "blut_resources/containment/backends",
    "blut_resources/containment/test_places.py": "blut_resources/payloads/orphans.py",
    "blut_resources/dagster_private/test_parts.py": "blut_resources/dagster_private",
    "blut_resources/dagster_private/test_door.py": "blut_resources/dagster_private",
    "blut_resources/payloads/test_bounds.py": "blut_resources/payloads/events.py",
    "blut_resources/registry/test_versions.py": "blut_resources/registry/records.py",
    "sensors/test_daemon.py": "sensors/turns.py",
    "blut_resources/ui/test_ui.py": "blut_resources/ui/server.py",
}
"""Files of tests that are not called after a module, and what they are about."""


def packages() -> Iterator[Path]:
    for top in TOPS:
        for init in sorted((REPOSITORY / top).rglob("__init__.py")):
            if "template" not in init.parts:
                yield init.parent.relative_to(REPOSITORY)


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("test_*.py"))


@pytest.mark.parametrize("package", [p for p in packages() if len(p.parts) > 1], ids=str)
def test_each_package_has_tests(package: Path) -> None:
    own = REPOSITORY / "tests" / package
    where = TESTED_ELSEWHERE.get(str(package))
    if package.parts[0] == COOKBOOKS:
        own, where = REPOSITORY / "tests" / Path(*package.parts[:2]), None
    if where:
        assert not files(own), f"{package} has tests of its own: take it out of TESTED_ELSEWHERE"
        assert (REPOSITORY / where).exists(), f"{where} is gone: say where {package} is tested"
    else:
        assert files(own) or list(own.parent.glob(f"test_{package.name}.py")), f"{package} has no tests"


def test_each_directory_of_tests_has_its_package() -> None:
    known = {REPOSITORY / "tests" / package for package in packages()}
    there = {path.parent for top in TOPS for path in (REPOSITORY / "tests" / top).rglob("*.py")}
    assert {str(path) for path in there - known} == set()


def subject(test: Path) -> Path | None:
    """The module or package that a file of tests is called after, or that is listed for it."""
    place = test.relative_to(REPOSITORY / "tests")
    if listed := SUBJECTS.get(str(place)):
        return REPOSITORY / listed
    name = place.stem.removeprefix("test_")
    for there in (place.with_name(f"{name}.py"), place.with_name(name)):
        if (REPOSITORY / there).exists():
            return REPOSITORY / there
    return None


@pytest.mark.parametrize(
    "test",
    [path for top in TOPS if top != COOKBOOKS for path in (REPOSITORY / "tests" / top).rglob("test_*.py")],
    ids=lambda path: str(path.relative_to(REPOSITORY / "tests")),
)
def test_each_file_of_tests_has_its_subject(test: Path) -> None:
    found = subject(test)
    assert found is not None, "call it after a module of the same place, or list its subject"
    assert found.exists(), f"{found} is gone: say what {test.name} is about now"


def test_each_listed_file_is_there() -> None:
    assert [name for name in SUBJECTS if not (REPOSITORY / "tests" / name).exists()] == []
    known = {str(package) for package in packages()}
    assert [name for name in TESTED_ELSEWHERE if name not in known] == []
