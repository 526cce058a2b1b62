"""What the UI opens as the source of an asset."""

import inspect
from pathlib import Path
from typing import Any

import dagster as dg

from tests.conftest import REPOSITORY
from tests.contained import raw, trained


def _references(asset: dg.AssetsDefinition) -> list[Any]:
    value: Any = asset.specs_by_key[asset.key].metadata["dagster/code_references"]
    return value.code_references


def _starts(path: str, line: int) -> str:
    text = "".join(Path(path).read_text().splitlines(keepends=True)[line - 1 :])
    return text.partition("def ")[2].partition("(")[0]


def test_an_asset_leads_to_its_function_and_to_its_payload() -> None:
    own, payload = _references(trained)
    assert own.file_path == str(REPOSITORY / "tests" / "contained.py")
    assert _starts(own.file_path, own.line_number) == "trained"
    assert (payload.label, Path(payload.file_path).stem) == (
        "tests.payloads.trains",
        "trains",
    )


def test_dagster_finds_the_function_of_each_by_its_own_means() -> None:
    found = [_references(one)[-1] for one in dg.with_source_code_references([raw, trained])]  # type: ignore[list-item]
    assert [_starts(one.file_path, one.line_number) for one in found] == ["raw", "trained"]
    wrapper: Any = trained.op.compute_fn
    assert inspect.getsourcefile(wrapper.decorated_fn) == str(REPOSITORY / "tests" / "contained.py")
