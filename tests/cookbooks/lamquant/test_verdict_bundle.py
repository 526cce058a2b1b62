"""A verdict that travels: what the reviewer's machine finds out about the file, and that it does."""

import hashlib
import io
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blut_assets.bundle.archive import MANIFEST, SIGNATURE, BundleFault, write_zip
from blut_assets.bundle.export import PAGE, SIGNED, export
from blut_assets.bundle.keys import KeyFault, make_key, private_key, public_keys
from blut_assets.bundle.page import page
from blut_assets.bundle.verify import Seen, verify
from blut_resources.files.digest import digest_path
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import Verdict, parse_verdict
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.gate.bundle import differences
from cookbooks.lamquant.gate.floors import floors_in_force

MODEL = "lamquant-joint@synthetic-lab"


class Sent:
    """A verdict that somebody exported, with the key that it was signed with."""

    def __init__(self, root: Path, good: Any) -> None:
        self.root, self.corpus = root, good.corpus
        self.key, self.public = root / "key", make_key(root / "key")
        self.store, self.registry = ArtifactStore(root / "store"), ModelRegistry(root / "store" / "registry")
        inputs = {name: self._put(getattr(good, name)) for name in ("candidate", "registry", "split")}
        self.verdict = good.judge()
        judged = root / "judged"
        judged.mkdir()
        (judged / "verdict.json").write_bytes(self.verdict.to_json())
        shutil.copytree(good.bitstreams, judged / "bitstreams")
        shutil.copy(good.windows / "windows.json", judged)
        self.registry.promote(
            *MODEL.split("@"),
            candidate=inputs.pop("candidate"),
            verdict=self._put(judged),
            store=self.store,
            inputs=inputs,
            floors=floors_in_force(
                (good.registry / "registry.yaml").read_bytes(), (good.split / "split.json").read_bytes()
            ),
        )
        self.file = root / "sent.zip"
        export(self.registry, self.store, MODEL, self.file, private_key(self.key))

    def _put(self, source: Path) -> str:
        copy = self.store.staging()
        shutil.copytree(source, copy, dirs_exist_ok=True)
        return self.store.put(copy)

    def members(self) -> dict[str, Any]:
        with zipfile.ZipFile(self.file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def sent(good, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return Sent(tmp_path_factory.mktemp("sent"), good)


def seen(file: Path | bytes, sent: Sent, folder: Path, corpus: Path | None = None) -> Seen:
    if isinstance(file, bytes):
        (folder / "spoilt.zip").write_bytes(file)
        file = folder / "spoilt.zip"
    return verify(file, public_keys(sent.public), folder / "unpacked", corpus)


def zipped(members: dict[str, Any]) -> bytes:
    write_zip(file := io.BytesIO(), members)
    return file.getvalue()


def test_what_was_exported_verifies_and_is_the_same_file_each_time(sent, tmp_path):
    found = seen(sent.file, sent, tmp_path)
    assert found.trusted and found.again is None and found.model == MODEL
    assert found.verdict == sent.verdict
    assert {
        "candidate/model.safetensors",
        "floors/registry.yaml",
        "split/split.json",
    } <= sent.members().keys()
    assert not [name for name in sent.members() if "archives" in name], "no recording goes along"
    export(sent.registry, sent.store, MODEL, tmp_path / "again.zip", private_key(sent.key))
    assert (tmp_path / "again.zip").read_bytes() == sent.file.read_bytes()
    with pytest.raises(BundleFault, match="is there already"):
        export(sent.registry, sent.store, MODEL, tmp_path / "again.zip", private_key(sent.key))


@pytest.mark.heavy
def test_measured_again_in_isolation_it_comes_out_the_same(sent, tmp_path):
    assert seen(sent.file, sent, tmp_path, sent.corpus).again == []


def test_another_corpus_or_other_figures_are_named(sent, tmp_path, good):
    (told,) = seen(sent.file, sent, tmp_path, good.split).again or []
    assert "the verdict was made on" in told
    document = json.loads(sent.verdict.to_json())
    criterion = next(
        one for one in document["criteria"] if one["name"] == "r" and one["kind"] == "acceptance"
    )
    criterion["measured"] -= 2e-6
    (told,) = differences(sent.verdict, parse_verdict(json.dumps(document).encode()))
    assert told.startswith(f"{criterion['scope']} acceptance r: judged")
    criterion["measured"] += 1.5e-6
    assert differences(sent.verdict, parse_verdict(json.dumps(document).encode())) == []


def test_a_flipped_byte_anywhere_is_found_and_its_member_named(sent, tmp_path):
    data = sent.file.read_bytes()
    with zipfile.ZipFile(sent.file) as archive:
        infos, contents = archive.infolist(), archive.start_dir
    places = {
        info.header_offset + 30 + len(info.filename) + info.file_size // 2: info.filename for info in infos
    }
    places |= {info.header_offset + 11: info.filename for info in infos}  # the time in its header
    for offset, name in places.items():
        spoilt = bytearray(data)
        spoilt[offset] ^= 1
        (tmp_path / str(offset)).mkdir()
        with pytest.raises(BundleFault) as told:
            seen(bytes(spoilt), sent, tmp_path / str(offset))
        assert name in str(told.value) or (name in ("manifest.sig", "signer.pem"))
    for offset in range(contents, len(data), 37):
        spoilt = bytearray(data)
        spoilt[offset] ^= 1
        (tmp_path / str(offset)).mkdir()
        with pytest.raises(BundleFault):
            seen(bytes(spoilt), sent, tmp_path / str(offset))


def test_a_signer_whom_nobody_knows_is_said_to_be_unknown(sent, tmp_path):
    make_key(tmp_path / "other")
    members = sent.members()
    members[SIGNATURE] = private_key(tmp_path / "other").sign(SIGNED + members[MANIFEST])
    members["signer.pem"] = (tmp_path / "other.pub").read_bytes()
    assert not seen(zipped(members), sent, tmp_path).trusted
    members["signer.pem"] = sent.public.read_bytes()
    (tmp_path / "forged").mkdir()
    with pytest.raises(BundleFault, match=r"manifest\.sig is not its signature"):
        seen(zipped(members), sent, tmp_path / "forged")


def resigned(sent: Sent, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The file after its own signer has changed members."""
    members = sent.members()
    change(members)
    manifest = json.loads(members[MANIFEST])
    for name in manifest["members"]:
        data = members[name]
        manifest["members"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    members[MANIFEST] = json.dumps(manifest).encode()
    members[SIGNATURE] = private_key(sent.key).sign(SIGNED + members[MANIFEST])
    return zipped(members)


def test_a_signer_cannot_make_a_verdict_say_something_else_than_its_digests(sent, tmp_path):
    def relax(members: dict[str, Any]) -> None:
        members["floors/registry.yaml"] = members["floors/registry.yaml"].replace(b"min_cr: 4", b"min_cr: 1")

    with pytest.raises(BundleFault, match="floors: its files do not have the digest"):
        seen(resigned(sent, relax), sent, tmp_path)


def _zip(*members: tuple[str, bytes], how: int = zipfile.ZIP_STORED, mode: int = 0o100644) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, how
            archive.writestr(info, data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_zip(("../out", b"x")), "leads out"),
        (_zip(("/etc/out", b"x")), "no plain name"),
        (_zip(("a\\b", b"x")), "no plain name"),
        (_zip(("a", b"x"), ("a", b"y")), "there twice"),
        (_zip(("a", bytes(1 << 20)), how=zipfile.ZIP_DEFLATED), "compressed"),
        (_zip(("a", b"/etc/passwd"), mode=0o120777), "no plain file"),
        (b"PK\x03\x04 not a zip", "no zip"),
        (_zip(("a", b"x")), "signer.pem: is missing"),
    ],
)
def test_a_file_that_is_no_verdict_is_refused_and_writes_nothing(sent, tmp_path, data, why):
    with pytest.raises(BundleFault, match=why):
        seen(data, sent, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.zip"]


def test_a_member_that_nobody_signed_is_refused_by_name(sent, tmp_path):
    with pytest.raises(BundleFault, match=r"verdict/more\.json: is no part of what was signed"):
        seen(zipped({**sent.members(), "verdict/more.json": b"{}"}), sent, tmp_path)


def test_the_page_says_what_matters_and_runs_nothing_of_others(sent):
    text = sent.members()[PAGE].decode()
    assert (
        "<svg" in text and "default-src 'none'" in text and "http://" not in text and "https://" not in text
    )
    for wanted in (MODEL, "CHG-7", "a test", "tester", sent.verdict.candidate, "acceptance", "Passed"):
        assert wanted in text
    evil = json.loads(sent.verdict.to_json())
    evil["change"]["description"] = "<script>alert(1)</script>\u202e"
    shown = page("<b>@x", Verdict.model_validate(evil), [{"by": "<i>", "previous": "<u>"}], {"<s>": "<q>"})
    assert not [tag for tag in ("<script", "<b>", "<i>", "<u>", "<s>", "<q>", "\u202e") if tag in shown]


def test_a_key_is_its_owners_alone_and_never_replaced(tmp_path):
    key = tmp_path / "key"
    public = make_key(key)
    assert key.stat().st_mode & 0o777 == 0o600 and len(public_keys(public)) == 1
    with pytest.raises(KeyFault, match="never replaced"):
        make_key(key)
    (tmp_path / "link").symlink_to(key)
    with pytest.raises(KeyFault, match="symbolic link"):
        private_key(tmp_path / "link")
    key.chmod(0o644)
    with pytest.raises(KeyFault, match="chmod 600"):
        private_key(key)
    with pytest.raises(KeyFault, match="is no private key"):
        public.chmod(0o600)
        private_key(public)
    with pytest.raises(KeyFault, match="holds no Ed25519 public key"):
        public_keys(tmp_path / "key")


def test_digests_of_the_verdict_are_those_of_what_went_along(sent, tmp_path):
    seen(sent.file, sent, tmp_path)
    assert digest_path(tmp_path / "unpacked" / "candidate") == sent.verdict.candidate
    assert digest_path(tmp_path / "unpacked" / "verdict" / "bitstreams") == sent.verdict.inputs["bitstreams"]
