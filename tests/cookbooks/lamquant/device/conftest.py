"""Bundles that several tests look at, each built once a session."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cookbooks.lamquant.device.bundle import build_bundle
from cookbooks.lamquant.device.layout import DeviceLayout
from tests.cookbooks.lamquant.device.case import saved_model


@dataclass(frozen=True)
class Built:
    """A bundle, its checkpoint, what it was built for, and its manifest."""

    bundle: Path
    model: Path
    layout: DeviceLayout
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model"))


def _built(model: Path, folder: Path, target: str, layout: DeviceLayout) -> Built:
    return Built(folder, model, layout, build_bundle(model, folder, target, layout))


@pytest.fixture(scope="session")
def small(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """16 bits, few frames, little room."""
    layout = DeviceLayout.of(3, (100.0, 512.0), hop=64, frames=5, buffer_bytes=700, index_bytes=64)
    return _built(model_dir, tmp_path_factory.mktemp("small"), "host", layout)


@pytest.fixture(scope="session")
def fine(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """24 bits, fewer bins than the hop, a rate that is not a whole number."""
    layout = DeviceLayout.of(2, (173.61, 512.0), bits=24, hop=128, bins=100, frames=40)
    return _built(model_dir, tmp_path_factory.mktemp("fine"), "host", layout)
