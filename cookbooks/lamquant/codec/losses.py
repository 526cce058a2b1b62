"""Defines what the context network is trained to lessen: the code length of the integers.

``log_scale`` is log2 of the Laplace scale in steps.
"""

import math

import torch

_LOG2E = math.log2(math.e)


def laplace_bits(magnitude: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """Returns the bits, sign included, of whole magnitudes under a Laplace distribution with unit cells."""
    inverse = torch.exp2(-log_scale)
    none = -torch.log2((-torch.expm1(-0.5 * inverse)).clamp_min(1e-7))
    cell = torch.log2((-torch.expm1(-inverse)).clamp_min(1e-7))
    some = (magnitude - 0.5) * inverse * _LOG2E - cell + 1
    return torch.where(magnitude < 0.5, none, some)
