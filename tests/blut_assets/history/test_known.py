"""Of a long history only what differs is read, and what is said of it is the same."""

import dagster as dg
import pytest

from blut_assets.history import known
from blut_assets.history.known import KnownHistory
from blut_assets.history.lineage import Lineage
from blut_assets.history.retention import reachable
from blut_resources.dagster_private import different
from blut_resources.instance.instance import open_instance
from tests.blut_assets.history.test_retention import first, run

BY_HAND = dg.AssetMaterialization(first.key, metadata={"said": '"blut/fingerprint": "abc"'})


def told(instance: dg.DagsterInstance) -> object:
    lineage = Lineage(instance)
    ways = {digest: lineage.ways(digest) for digest in sorted(lineage.known())}
    return ways, [reachable(instance, newest, noted=False) for newest in (1, 2, 9)]


@pytest.mark.usefixtures("home")
def test_what_is_reused_again_and_again_is_read_at_its_beginning_and_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_instance() as instance:
        for word in "abaaabba":
            run(instance, word)
        for _ in range(2):
            instance.report_runless_asset_event(BY_HAND)
        every = instance.fetch_materializations(first.key, limit=100).records
        read = [one for one in KnownHistory(instance).logged if one.asset_key == first.key]
        # by hand all, then the last a, the last b, and the first of each
        chosen = [every[n].storage_id for n in (0, 1, 2, 3, 8, 9)]
        assert [one.storage_id for one in read] == chosen
        quick = told(instance)
        monkeypatch.setattr(different, "first_and_last", lambda *_: None)
        assert len(KnownHistory(instance).logged) == len(every) + 8
        assert quick == told(instance)
        monkeypatch.undo()
        monkeypatch.setattr(known, "PAGE", 2)
        assert told(instance) == quick


@pytest.mark.usefixtures("home")
def test_of_an_asset_that_was_wiped_nothing_older_is_known() -> None:
    with open_instance() as instance:
        run(instance, "a")
        instance.wipe_assets([first.key])
        assert not [one for one in KnownHistory(instance).logged if one.asset_key == first.key]
        run(instance, "b")
        assert len([one for one in KnownHistory(instance).logged if one.asset_key == first.key]) == 1
