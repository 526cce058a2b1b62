"""Says what a decoder may be given beside its model: what brings decoded planes nearer to the signal."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.entropy import PlaneSpec
from cookbooks.lamquant.lqc.errors import ModelError
from cookbooks.lamquant.lqc.planes import Profile


class Refiner(Protocol):
    """Brings the planes of one chunk at a time nearer to the signal, and only of its model's files."""

    @property
    def for_model(self) -> bytes:
        """Returns the beginning of the digest of the model whose files it was trained for."""
        ...

    def refined(self, planes: NDArray[np.float32], spec: PlaneSpec, profile: Profile) -> NDArray[np.float32]:
        """Returns planes float32 [P, F, K], in steps, of the decoded ``planes``."""
        ...


def check_refiner(digest: bytes, refiner: Refiner | None) -> None:
    """Check that a refiner was trained for the model that a file was coded with.

    Raises:
        ModelError: it was trained for another one.
    """
    if refiner is not None and refiner.for_model != digest:
        raise ModelError(
            f"the file was coded with model {digest.hex()}, the decoder was trained for"
            f" {refiner.for_model.hex()}: give the decoder of that model, or none"
        )
