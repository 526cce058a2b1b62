"""Blut works with the versions of Dagster that it can be installed with: the first and the last are tried."""

import pytest

from tests import dagsters


@pytest.mark.heavy
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("which", ["newest", "oldest"])
def test_what_leans_on_dagster_works_with(which: str) -> None:
    """It downloads them, 30 MB."""
    assert dagsters.main(which) == 0
