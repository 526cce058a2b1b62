"""What one machine has computed and pushed, another with an empty store and no history does not compute."""

import pytest

from blut_assets.history.planning import plan
from blut_assets.history.retention import collect_garbage
from blut_assets.stages import reuse
from blut_resources.instance.instance import store_of
from blut_resources.remote import beyond
from blut_resources.remote.tier import RemoteTier
from blut_resources.store import results
from tests.blut_resources.remote.conftest import Opens
from tests.buckets import Wire
from tests.far import COUNTED, run, said, sentence


def test_a_second_machine_takes_what_the_first_has_pushed(
    machine: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is planned as such, pulled, and then its own."""
    with machine("first") as instance:
        monkeypatch.setenv("BLUT_REMOTE_PUSH", "1")
        made = run(instance)
        monkeypatch.delenv("BLUT_REMOTE_PUSH")
        digest = reuse.digest_of(made)
    with machine("second") as instance:
        (planned,) = plan(instance, [sentence], {})
        assert planned.state == "reusable" and "to be pulled (1 bytes)" in planned.reason
        assert not store_of(instance).list(), "a plan pulls nothing"
        again = run(instance)
        assert COUNTED == ["a"] and reuse.is_reused(again) and reuse.digest_of(again) == digest
        assert f"{digest[:12]} pulled from s3://" in said(instance)
        store = store_of(instance)
        assert (store.open(digest) / "line").read_text() == "a"
        assert [one.digest for one in results.find(store.root, reuse.fingerprint_of(again) or "")] == [digest]
    monkeypatch.delenv("BLUT_REMOTE")
    with machine("second") as instance:
        assert reuse.is_reused(run(instance)), "without the remote too"


def test_bytes_that_were_collected_come_back(machine: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event log knows of them, and the store has let them go: it counts nothing of the remote as here."""
    with machine("first") as instance:
        digest = reuse.digest_of(run(instance))
        store = store_of(instance)
        assert store.beyond and store.beyond.size(digest) is None, "pushed by nobody"
        RemoteTier(store, beyond._bucket(store.beyond._url)).push(digest)
        for text in "bcde":
            run(instance, text=text)
        report = collect_garbage(instance, newest=1, even_recent=True)
        assert digest in report.removed and not store.has(digest)
        assert reuse.is_reused(run(instance)) and store.has(digest)
        assert list("abcde") == COUNTED


@pytest.mark.parametrize("trouble", ["damaged", "cut", "no bucket"])
def test_without_the_remote_it_is_computed(
    machine: Opens, wire: Wire, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """And the run says why, once."""
    with machine("first") as instance:
        monkeypatch.setenv("BLUT_REMOTE_PUSH", "1")
        digest = reuse.digest_of(run(instance))
        bucket = beyond._bucket(store_of(instance).beyond._url)
    mended = "the next push of the artifact replaces it. It is computed again."
    words = {"damaged": mended, "cut": "no answer", "no bucket": "NoSuchBucket"}
    if trouble == "damaged":
        path = f"objects/{digest[:2]}/{digest}.tar"
        bucket.replace(path, (bucket.read(path) or b"").replace(b"a", b"b", 2))
    elif trouble == "cut":
        wire.down, wire.cuts = 0, 1000
    else:
        monkeypatch.setenv("BLUT_REMOTE", "s3://nowhere/at/all")
    with machine("second") as instance:
        again = run(instance)
        assert COUNTED == ["a", "a"] and not reuse.is_reused(again) and reuse.digest_of(again) == digest
        told = said(instance)
        assert told.count(words[trouble]) == 1 and ".. It" not in told, told
    if trouble == "damaged":
        with machine("third") as instance:
            assert reuse.is_reused(run(instance)), "the push of the second has mended it"
