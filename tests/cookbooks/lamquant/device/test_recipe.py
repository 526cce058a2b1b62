"""The recipe of a device's encoder: what it refuses before it begins, and what makes it compute anew."""

from pathlib import Path
from typing import Any

import pytest

from blut_assets.recipes import ArgsError
from blut_assets.stages.spec import spec_of
from cookbooks.lamquant.device.bundle import write_sources
from cookbooks.lamquant.device.compiling import measure_budget
from cookbooks.lamquant.device.fitting import fitted
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.toolchains import TOOLCHAINS
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.recipes.encoder import ENCODER
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.device.test_gate import REGISTRY

SYNTHETIC = "synthetic:subjects=3,seconds=30,seed=0"


def configs(**args: Any) -> dict[str, Any]:
    found = ENCODER.configs(ENCODER.parse({"edf_root": "x", **args}))
    return {key.path[-1]: config for key, config in found.items()}


def test_args_reach_the_stages_that_they_are_about() -> None:
    found = configs(weight_bits=6, fine_tune_epochs=0, device_channels=21, max_ram_kib=48, target="rv32")
    assert found["hardened_checkpoint"].weight_bits == 6
    assert found["hardened_checkpoint"].planned_epochs() == 0
    assert configs(preset="fast")["hardened_checkpoint"].planned_epochs() == 9
    assert (found["firmware_bundle"].channels, found["firmware_bundle"].target) == (21, "rv32")
    assert found["firmware_bundle"].max_ram_kib == found["device_verdict"].max_ram_kib == 48


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"weight_bits": 2}, "with ternary weights the network was measured to cost more"),
        ({"weight_bits": 17}, "from 4 to 16"),
        ({"weight_bits": "8"}, "from 4 to 16"),
        ({"mae_pretrain": True}, "the codec has no masked stage"),
        ({"target": "avr"}, "target"),
        ({"bits": 12}, "must be 16 or 24"),
        ({"max_flash_kib": 8}, "max_flash_kib"),
        ({"max_ram_kib": 4}, "max_ram_kib"),
        ({"fine_tune_epochs": -1}, "fine_tune_epochs"),
        ({"change_class": "Z.9"}, "change_class is 'Z.9'"),
        ({"promote_as": "lamquant-joint@lab"}, "give lamquant-device@ALIAS"),
        ({"edf_root": SYNTHETIC, "promote_as": "lamquant-device@lab"}, "to synthetic-* aliases only"),
    ],
)
def test_what_cannot_end_well_is_refused_before_it_begins(args: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgsError) as refused:
        configs(**args)
    assert told in str(refused.value)


def test_floors_of_another_gate_are_refused_before_it_begins(tmp_path: Path) -> None:
    own = tmp_path / "floors.yaml"
    own.write_text(REGISTRY.replace("lamquant-device", "clinic-recorder\ngate: device"))
    assert configs(registry=str(own), promote_as="clinic-recorder@lab")
    joint = REPOSITORY / "cookbooks" / "lamquant" / "configs" / "pccp_registry.yaml"
    with pytest.raises(ArgsError, match=r"pccp_registry\.yaml: .*blut\.floor_registry\.v2"):
        configs(registry=str(joint))


@pytest.mark.parametrize("bits", [16, pytest.param(24, marks=pytest.mark.heavy)])
def test_twenty_one_channels_are_built_within_64_kib(model_dir: Path, bits: int, tmp_path: Path) -> None:
    model = load_model(model_dir)
    wide = DeviceLayout.of(21, (250.0,), bits=bits)
    found = fitted(model, wide, "host", 64, hops=True)
    assert (
        found.hop == 128 < wide.hop
        and found.frames < DeviceLayout.of(21, (250.0,), bits=bits, hop=128).frames
    )
    write_sources(model, found, tmp_path / "sources")
    taken = measure_budget(TOOLCHAINS["host"], tmp_path / "sources", tmp_path / "objects").ram_bytes
    assert 0.95 * 65_536 < taken <= 65_536 and found.frames >= 12
    kept = fitted(model, wide, "host", 64, hops=False)
    assert kept.hop == wide.hop, "what was asked for stays, and the verdict says that it does not fit"


def test_the_c_sources_are_part_of_the_version_of_the_bundle_and_its_verdict_and_of_nothing_else() -> None:
    sources = {path.name for path in (REPOSITORY / "cookbooks/lamquant/device/firmware").iterdir()}
    assert {"lq_encode.c", "lq_encode.h", "Makefile"} <= sources
    for asset in ENCODER.assets:
        spec = spec_of(asset)
        assert spec is not None
        counted = {one.path.name for one in spec.code.counted} & sources
        takes = asset.key.path[-1] in ("firmware_bundle", "device_verdict")
        assert counted == (sources if takes else set()), asset.key
