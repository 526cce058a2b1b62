"""A bundle is what its checkpoint gives, takes what the compiler says, and is refused otherwise."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.codec_command.export import exported
from cookbooks.lamquant.device.bundle import check_bundle, encode_with, read_manifest
from cookbooks.lamquant.device.compiling import compile_program, measure_budget, run_program
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.toolchains import TOOLCHAINS, toolchain_of
from cookbooks.lamquant.device.twin import twin_encode
from cookbooks.lamquant.device.weights import CONFIG, TABLES, config_header
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.entropy import PlaneSpec, count_static
from cookbooks.lamquant.lqc.errors import InputError, LqcError
from cookbooks.lamquant.lqc.lapped import analyse
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.targets import NoiseRatio
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.device.case import model_at, random_signal, saved_model
from tests.cookbooks.lamquant.device.conftest import Built
from tests.lacking import lacking

HOST = TOOLCHAINS["host"]


@pytest.fixture
def copied(small: Built, tmp_path: Path) -> Path:
    """The sources of a bundle, to be changed."""
    return Path(shutil.copytree(small.bundle, tmp_path / "copied"))


def edited(folder: Path, name: str, before: str, after: str) -> None:
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))


def test_a_bundle_says_what_the_compiler_says(small: Built, fine: Built):
    for built in (small, fine):
        assert DeviceLayout.from_json(read_manifest(built.bundle)["layout"]) == built.layout
        assert check_bundle(built.bundle, built.model) == []
        assert 20_000 < built.manifest["flash_bytes"] < 100_000
        assert 0 < built.manifest["stack_bytes"] < 2048
        assert built.manifest["helpers"] == []
        assert built.manifest["selftest"] == "all vectors give the bytes of the reference"
    # two channels with 100 of 128 bins and 24 bits: rows, samples and counts each have their place in it
    at_least = 2 * (4 * 100 * 2 + 2 * 128 * 3) + fine.layout.buffer_bytes + 4 * 128
    assert at_least < fine.manifest["ram_bytes"] < at_least + 8192 + 4096


def test_one_changed_weight_is_found_at_boot(copied: Path, tmp_path: Path):
    edited(copied, TABLES, "const int16_t lq_w3[LQ_HIDDEN] = {\n", "const int16_t lq_w3[LQ_HIDDEN] = {\n1 + ")
    tested = run_program(
        HOST, compile_program(HOST, copied, "lq_selftest.c", tmp_path / "test"), allowed=(2,)
    )
    assert b"CRC" in tested.stderr
    encoding = compile_program(HOST, copied, "main.c", tmp_path / "encode")
    with pytest.raises(DeviceError, match="tables are damaged"):
        encode_with(copied, np.zeros((1, 9), np.int32), 100.0, 0.2, program=encoding)


def test_a_changed_encoder_is_found_by_the_self_test_and_by_a_look_at_the_sources(
    copied: Path, small: Built, tmp_path: Path
):
    edited(copied, "lq_plane.c", "(m + 128) >> 8", "(m + 100) >> 8")
    tested = run_program(
        HOST, compile_program(HOST, copied, "lq_selftest.c", tmp_path / "test"), allowed=(1,)
    )
    assert b"other bytes" in tested.stderr
    assert check_bundle(copied, small.model) == ["lq_plane.c is not the reviewed source"]
    (copied / "lq_encode.c").write_text("#!/bin/sh\n")
    assert "lq_encode.c is not the reviewed source" in check_bundle(copied, small.model)


def test_a_bundle_of_another_checkpoint_is_told_from_one_whose_header_was_edited(
    small: Built, tmp_path: Path
):
    other = saved_model(tmp_path / "other", seed=1)
    found = check_bundle(small.bundle, other)
    assert found[0] == "the bundle was built from another checkpoint"
    assert f"{TABLES} is not what the checkpoint gives" in found
    copied = Path(shutil.copytree(small.bundle, tmp_path / "copied"))
    (copied / CONFIG).write_text(config_header(DeviceLayout.of(2, (100.0,)), model_at(small.model)))
    assert check_bundle(copied, small.model) == [f"{CONFIG} is not what the checkpoint gives"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("void *malloc(unsigned long n);\nvoid *lq_more(void) { return malloc(9); }", "malloc"),
        ("int lq_more(int a) { return (int)(a * 1.5); }", "SSE|float|__aeabi_d"),
        ("int lq_more(int n) { char a[n]; a[0] = 1; return *(volatile char *)a; }", "stack"),
        ("", "calls itself"),
    ],
)
def test_code_that_a_device_must_not_have_is_refused(copied: Path, tmp_path: Path, code: str, why: str):
    if code:
        edited(copied, "lq_numbers.c", '#include "lq_inside.h"\n', f'#include "lq_inside.h"\n\n{code}\n')
    else:  # a circle of calls: coding a plane asks for the next sample
        edited(copied, "lq_plane.c", "    lq_place at;\n", "    lq_place at;\n    lq_put(e, e->spectrum);\n")
    with pytest.raises(DeviceError, match=why):
        measure_budget(HOST, copied, tmp_path / "objects")


def test_a_budget_is_the_compilers_and_not_the_manifests(copied: Path, small: Built, tmp_path: Path):
    edited(copied, CONFIG, "#define LQ_CHANNELS 3", "#define LQ_CHANNELS 30")
    more = measure_budget(HOST, copied, tmp_path / "objects").ram_bytes - small.manifest["ram_bytes"]
    assert 27 * 700 < more < 27 * 1200


def test_a_bundle_is_built_and_tested_without_blut(small: Built, tmp_path: Path):
    copied = Path(shutil.copytree(small.bundle, tmp_path / "copied", ignore=shutil.ignore_patterns("build")))
    done = subprocess.run(["make", "check"], cwd=copied, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all vectors give the bytes" in done.stderr


def test_what_an_encoder_was_not_built_for_is_refused_with_the_field_and_the_remedy(small: Built):
    x = np.zeros((3, 100), np.int32)
    with pytest.raises(InputError, match="rate_hz=99: the encoder was built for 100, 512 Hz"):
        encode_with(small.bundle, x, 99.0, 0.2)
    with pytest.raises(InputError, match="4 channels: the encoder was built for 1 to 3"):
        encode_with(small.bundle, np.zeros((4, 100), np.int32), 100.0, 0.2)
    with pytest.raises(InputError, match=r"limits -40000\.\.9"):
        encode_with(small.bundle, x, 100.0, 0.2, limits=(-40000, 9))
    with pytest.raises(InputError, match="must be integers"):
        encode_with(small.bundle, x.astype(float), 100.0, 0.2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DeviceError, match="not a firmware bundle"):
        encode_with(small.model, x, 100.0, 0.2)
    with pytest.raises(DeviceError, match="target='avr'"):
        toolchain_of("avr")
    with pytest.raises(LqcError, match="hop=96"):
        DeviceLayout.of(1, (250.0,), hop=96)


@pytest.mark.heavy
@pytest.mark.parametrize("target", ["cortex-m33", "rv32"])
def test_other_processors_write_the_same_bytes(small: Built, target: str, tmp_path: Path):
    chain = TOOLCHAINS[target]
    if why := chain.why_not():
        lacking(why)
    tested = run_program(chain, compile_program(chain, small.bundle, "lq_selftest.c", tmp_path / "test"))
    assert tested.stderr == b"all vectors give the bytes of the reference\n"
    budget = measure_budget(chain, small.bundle, tmp_path / "objects")
    assert budget.helpers == ()
    assert budget.ram_bytes <= small.manifest["ram_bytes"]
    manifest = Path(shutil.copytree(small.bundle, tmp_path / "bundle")) / "manifest.json"
    edited(manifest.parent, "manifest.json", '"target": "host"', f'"target": "{target}"')
    compile_program(chain, manifest.parent, "main.c", manifest.parent / "build" / "encode")
    rng = np.random.default_rng(5)
    for _ in range(4):
        x = random_signal(rng, 3, 16)
        made = encode_with(manifest.parent, x, 512.0, 0.2)
        assert made == twin_encode(model_at(small.model), small.layout, x, 512.0, 0.2).data


def counted(model: Model, x: np.ndarray, rate_hz: float) -> Model:
    """The model with tables counted on samples, so that bins which are always zero cost nearly nothing."""
    y = analyse(x[:, : x.shape[1] // 256 * 256].astype(float), 256).astype(np.float32)
    y /= y.std((1, 2), keepdims=True)
    spec = PlaneSpec(np.full(len(y), 16, np.uint8), 256, rate_hz, np.zeros(y.shape[1], np.int8))
    starts = count_static(model.entropy.net, [(y, spec)], model.lam, 2)
    return replace(model, entropy=replace(model.entropy, starts=starts))


def test_a_device_takes_hardly_more_bytes_than_the_encoder_that_has_floating_point(model_dir: Path):
    x, rate = eeg_like(2, 120.0, 250.0, seed=2), 250.0
    model, layout = (
        counted(model_at(model_dir), eeg_like(2, 120.0, 250.0, seed=8), rate),
        DeviceLayout.of(2, (rate,)),
    )

    def at(ratio: float) -> list[float]:
        device = twin_encode(model, layout, x, rate, ratio).data
        floating = encode(x, rate, model, NoiseRatio(ratio), profile="device")
        return [float(value) for data in (device, floating) for value in (error(data), len(data))]

    def error(data: bytes) -> float:
        return float(np.sqrt(np.mean((decode(data, model).astype(float) - x) ** 2)))

    with pytest.warns(UserWarning, match="one pass"):
        points = np.log([at(ratio) for ratio in (0.12, 0.17, 0.24)])
    wanted = points[1, 0]
    loss = np.interp(wanted, points[:, 0], points[:, 1]) - np.interp(wanted, points[:, 2], points[:, 3])
    assert -0.05 < loss < 0.05


def test_a_long_recording_has_longer_to_be_coded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 1\ncat\n")
    slow.chmod(0o755)
    monkeypatch.setattr("cookbooks.lamquant.device.compiling._SECONDS", 0.2)
    with pytest.raises(DeviceError, match="timed out"):
        run_program(TOOLCHAINS["host"], slow)
    long = bytes(1_000_000)
    assert run_program(TOOLCHAINS["host"], slow, long).stdout == long


def test_an_export_leaves_sources_that_build_and_pass_their_own_test(small: Built, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(small.bundle, bundle)
    shutil.copytree(small.model, bundle, dirs_exist_ok=True)
    exported(bundle, "recorder@1", tmp_path / "out", force=False)
    place = tmp_path / "out" / "firmware"
    assert {one.name for one in place.iterdir()} == {*small.manifest["files"], "manifest.json"}
    subprocess.run(["make", "-C", place, "check"], check=True, capture_output=True)
