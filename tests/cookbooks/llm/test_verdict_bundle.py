"""A GGUF's verdict travels: digests and figures, and the file itself only if somebody asks for it."""

from pathlib import Path

import pytest

from blut_assets.bundle.archive import BundleFault
from blut_assets.bundle.export import export
from blut_assets.bundle.keys import make_key, private_key, public_keys
from blut_assets.bundle.verify import verify
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import Change, Floor, Verdict, judge
from blut_resources.store.artifacts import ArtifactStore

FLOORS = [Floor(kind="fidelity", name="kl", scope="gguf", op="<=", floor=0.1)]


def put(store: ArtifactStore, name: str, data: bytes) -> str:
    folder = store.staging()
    (folder / name).write_bytes(data)
    return store.put(folder)


@pytest.fixture
def promoted(tmp_path: Path) -> tuple[ModelRegistry, ArtifactStore, Verdict]:
    """A registered GGUF that an alias stands for, with the verdict that its registration keeps."""
    store = ArtifactStore(tmp_path / "store")
    registry = ModelRegistry(store.root / "registry")
    candidate = put(store, "model.gguf", b"GGUF and weights")
    inputs = {"merged": "a" * 64, "evaluation": "b" * 64}
    change = Change(change_id="mine-1", description="quantised", change_class="gguf")
    criteria = judge({"gguf": {"kl": 0.01}}, FLOORS)
    verdict = Verdict.of(
        criteria, model="mine", change=change, candidate=candidate, inputs=inputs, measurements={"kl": 0.01}
    )
    registry.register(
        "mine",
        candidate=candidate,
        inputs=inputs,
        verdict=put(store, "verdict.json", verdict.to_json()),
        passed=True,
        floors=FLOORS,
        figures={},
        license="mit",
        run="0",
    )
    registry.promote_version("mine", "lab", 1, store)
    return registry, store, verdict


@pytest.mark.parametrize("with_model", [False, True])
def test_a_gguf_goes_along_only_if_it_is_asked_for(tmp_path, promoted, with_model):
    registry, store, verdict = promoted
    public = make_key(tmp_path / "key")
    key = private_key(tmp_path / "key")
    members = export(registry, store, "mine@lab", tmp_path / "sent.zip", key, with_model=with_model)
    assert ("candidate/model.gguf" in members) == with_model
    seen = verify(tmp_path / "sent.zip", public_keys(public), tmp_path / "unpacked")
    assert seen.trusted and seen.verdict == verdict
    listed = (tmp_path / "unpacked" / "candidate.json").read_text()
    assert verdict.candidate in listed and "model.gguf" in listed


def test_a_verdict_on_another_file_than_the_alias_stands_for_is_refused(tmp_path, promoted, monkeypatch):
    registry, store, _ = promoted
    other = put(store, "model.gguf", b"GGUF and other weights")
    entry = registry.entry("mine@lab").model_copy(update={"candidate": other})
    monkeypatch.setattr(registry, "entry", lambda model: entry)
    public = make_key(tmp_path / "key")
    export(registry, store, "mine@lab", tmp_path / "sent.zip", private_key(tmp_path / "key"))
    with pytest.raises(BundleFault, match="the verdict is about"):
        verify(tmp_path / "sent.zip", public_keys(public), tmp_path / "unpacked")
