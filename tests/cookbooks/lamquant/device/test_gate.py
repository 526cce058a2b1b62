"""The gate of a device's encoder: what passes, and that each way to look better than one is fails."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.device.bundle import MANIFEST
from cookbooks.lamquant.device.compiling import CORE
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.gate import bundle, device
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.payload import device_score
from cookbooks.lamquant.payload.device_score import DeviceSettings, score
from tests.cookbooks.lamquant.split_corpora import read_recording
from tests.cookbooks.lamquant.verdict_case import CHANGE, Case, made

NAMED = ("candidate", "checkpoint", "source", "corpus", "split", "registry")
INPUTS = (*NAMED, "programs", "windows", "bitstreams", "decoded")
REGISTRY = """\
schema: blut.floor_registry.v2
version: 0.1.0
model: lamquant-device
change_classes: [A.1]
split: test
each_recording: {min_r: 0.9, max_prdn: 40, min_cr: 4}
bands: {delta: {max_prd: 60, min_r: 0.5}, alpha: {max_prd: 90, min_r: 0.3}}
budgets: {max_flash_bytes: 524288, max_ram_bytes: 65536, max_cr_loss_pct: 5}
minima: {recordings: 1, patients: 1, samples: 10000}
"""


@dataclass(frozen=True)
class Device:
    """A bundle and everything that its verdict needs, as directories that a test may spoil."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        return self.root / name

    @property
    def bitstream(self) -> Path:
        return next(iter(sorted(self.bitstreams.iterdir())))

    def judge(self, **changes: Any) -> Verdict:
        config = {
            "digests": {name: digest_path(self.root / name) for name in NAMED},
            "split": "test",
            "change": CHANGE,
            **changes,
        }
        inputs = {name: self.root / name for name in INPUTS}
        verdict = score(read(config, DeviceSettings), inputs, self.root / "work")
        return parse_verdict(verdict.to_json())

    def fails(self, *reasons: str, **changes: Any) -> Verdict:
        verdict = self.judge(**changes)
        assert not verdict.passed
        for reason in reasons:
            assert any(reason in told for told in verdict.reasons), verdict.reasons
        return verdict

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.candidate / name
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before


@pytest.fixture(scope="session")
def built(good: Case, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """The codec of the joint gate as a C program, which has coded the sealed recording."""
    root = tmp_path_factory.mktemp("device")
    harden = {"source_digest": "joint", "preset": "smoke", "fine_tune_epochs": 0}
    hardened = made(root, "checkpoint_harden", harden, checkpoint=good.candidate, windows=good.windows)
    given = {"corpus": good.corpus, "windows": good.windows}
    bundle = made(root, "firmware_build", {"max_ram_kib": 64}, checkpoint=hardened, **given)
    programs = made(root, "firmware_compile", {}, bundle=bundle)
    seen = {"corpus": good.corpus, "split": good.split}
    coded = made(root, "firmware_encode", {}, bundle=bundle, programs=programs, **seen)
    decoded = made(root, "codec_decode", {}, checkpoint=hardened, bitstreams=coded)
    case = Device(root / "case")
    found = {"candidate": bundle, "checkpoint": hardened, "source": good.candidate, "programs": programs}
    found |= {"bitstreams": coded, "decoded": decoded}
    for name in ("corpus", "split", "windows"):
        found[name] = good.root / name
    for name, source in found.items():
        shutil.copytree(source, case.root / name)
    for name in ("registry", "work"):
        (case.root / name).mkdir()
    (case.registry / "registry.yaml").write_text(REGISTRY)
    return case


@pytest.fixture
def spoiled(built: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A copy for a test to spoil; what CR is lost is not measured again."""
    shutil.copytree(built.root, tmp_path / "case")
    monkeypatch.setattr(device_score, "_losses", lambda *_: {})
    return Device(tmp_path / "case")


@pytest.fixture(scope="session")
def passing(built: Device) -> Verdict:
    """The verdict on what nobody has spoiled."""
    return built.judge()


def test_a_program_passes_whose_bytes_are_the_twins_and_that_keeps_its_budget(
    built: Device, passing: Verdict
) -> None:
    verdict = passing
    assert verdict.passed, verdict.reasons
    assert verdict.candidate == digest_path(built.candidate) and verdict.model == "lamquant-device"
    manifest = json.loads((built.candidate / MANIFEST).read_text())
    for name in ("flash_bytes", "ram_bytes", "stack_bytes"):
        assert verdict.measurements[name] == manifest[name] > 0
    assert verdict.details["n_bit_exact"] == 1 and verdict.synthetic
    assert abs(verdict.measurements["cr_loss_pct"] or 99) < 5
    assert verdict.measurements["full_profile_pct"] is not None
    assert {"checkpoint", "source", "bitstreams", "decoded"} <= verdict.inputs.keys()
    stem = built.bitstream.stem
    assert verdict.details["per_recording"][stem]["bitstream_bytes"] == built.bitstream.stat().st_size


def test_a_file_that_python_wrote_is_no_file_of_the_program(spoiled: Device) -> None:
    recording, model = read_recording(spoiled.corpus, spoiled.bitstream.stem), load_model(spoiled.checkpoint)
    ratio = NoiseRatio(device.noise_ratio_of(spoiled.checkpoint))
    with pytest.warns(UserWarning, match="profile device"):
        data = encode(recording.digital, recording.rate_hz, model, ratio, profile="device")
    spoiled.bitstream.write_bytes(data)
    spoiled.fails(f"bit_exact: {spoiled.bitstream.stem}: the device wrote {len(data)} bytes, the twin ")


def test_what_lies_in_a_bundle_besides_fails(spoiled: Device) -> None:
    (spoiled.candidate / "build").mkdir()
    (spoiled.candidate / "build" / "encode").write_text("#!/usr/bin/env python3\n")
    (spoiled.candidate / "stdint.h").write_text("#define int32_t float\n")
    spoiled.fails(
        "build is in the bundle: programs that nobody", "stdint.h is in the bundle, and nobody reviewed"
    )


def test_sources_that_nobody_reviewed_fail_and_so_does_a_library_call(spoiled: Device) -> None:
    called = "\nint system(const char *);\nvoid lq_cheat(void);\nvoid lq_cheat(void) { system(0); }\n"
    spoiled.edit("lq_encode.c", lambda text: text + called)
    spoiled.fails(
        "bundle_mismatches: lq_encode.c is not the reviewed source",
        "budgets_unmeasured: the encoder calls system",
        "budget flash_bytes is not measured",
    )


def test_tables_of_another_checkpoint_fail(spoiled: Device) -> None:
    spoiled.edit("lq_weights.h", lambda text: text.replace("lq_b3 = ", "lq_b3 = 7 + ", 1))
    other = spoiled.checkpoint / "model.json"
    other.write_text(other.read_text().replace('"noise_ratio": 0.17', '"noise_ratio": 0.18'))
    spoiled.fails(
        "bundle_mismatches: lq_weights.h is not what the checkpoint gives",
        "bundle_mismatches: the checkpoint in the bundle is another one",
    )


def test_a_budget_that_is_only_written_down_fails(spoiled: Device) -> None:
    spoiled.edit(MANIFEST, lambda text: json.dumps(json.loads(text) | {"flash_bytes": 100}))
    spoiled.fails("bundle_mismatches: the bundle says flash_bytes 100, the compiler ")


def test_more_than_the_device_has_fails_by_the_args_and_by_the_registry(spoiled: Device) -> None:
    registry = spoiled.registry / "registry.yaml"
    registry.write_text(registry.read_text().replace("max_flash_bytes: 524288", "max_flash_bytes: 1024"))
    verdict = spoiled.fails("bytes of flash are more than max_flash_kib = 1 allows", max_flash_kib=1)
    assert any("budget flash_bytes" in told and "required <= 1024" in told for told in verdict.reasons)


def test_undefined_behaviour_is_found_in_the_sealed_recordings(spoiled: Device, tmp_path: Path) -> None:
    text = (spoiled.candidate / "lq_encode.c").read_text()
    at = text.index("{", text.index("void lq_put("))
    grown = (
        "static volatile int more = 2147483647;\n"
        + text[: at + 1]
        + "\n    more = more + 1;\n"
        + text[at + 1 :]
    )
    (spoiled.candidate / "lq_encode.c").write_text(grown)
    shutil.rmtree(spoiled.programs)
    shutil.move(made(tmp_path, "firmware_compile", {}, bundle=spoiled.candidate), spoiled.programs)
    spoiled.fails("sanitizer_findings: ", "signed integer overflow")


def test_a_bundle_is_built_for_the_recordings_and_says_which_program_it_is(built: Device) -> None:
    entries = read_corpus(built.corpus)["recordings"]
    layout = json.loads((built.candidate / MANIFEST).read_text())["layout"]
    assert layout["channels"] == max(len(one["channels"]) for one in entries)
    assert layout["rates_hz"] == [128.0] and layout["bits"] == 16
    assert not (built.candidate / "build").exists(), "what was compiled names places of one machine"
    assert {*CORE, "Makefile", "model.safetensors", "model.json"} <= {
        p.name for p in built.candidate.iterdir()
    }


def test_a_verdict_on_a_device_travels_with_its_files(
    built: Device, passing: Verdict, tmp_path: Path
) -> None:
    roles = bundle.carried(passing)
    assert roles and set(roles) == {"candidate", "floors", "split"}
    shutil.copytree(built.registry, tmp_path / "floors")
    shutil.copytree(built.split, tmp_path / "split")
    shutil.copytree(built.bitstreams, tmp_path / "verdict" / "bitstreams")
    shutil.copy(built.windows / "windows.json", tmp_path / "verdict" / "windows.json")
    (tmp_path / "verdict" / "verdict.json").write_bytes(passing.to_json())
    digests = {**roles, "verdict": digest_path(tmp_path / "verdict")}
    assert bundle.problems(tmp_path, passing, digests) == []
    (told,) = bundle.again(tmp_path, passing, built.corpus)
    assert "run the recipe once more" in told
    sent = next((tmp_path / "verdict" / "bitstreams").iterdir())
    sent.write_bytes(sent.read_bytes()[:-1])
    digests["verdict"] = digest_path(tmp_path / "verdict")
    assert bundle.problems(tmp_path, passing, digests) == ["the bitstreams are not those that were judged"]


def test_the_page_shows_budgets_beside_their_floors(passing: Verdict, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_bytes(passing.to_json())
    page = shown(tmp_path)
    rows = [row.data for row in page["judged"].value.records]
    assert {"figure": "cr_loss_pct", "floor": "<= 5"}.items() <= rows[-1].items() and rows[-1][""] == "met"
    assert {row["figure"] for row in rows} == {"flash_bytes", "ram_bytes", "cr_loss_pct"}
    assert "worst" in page and "verdict" in page
