"""Defines the rate-distortion objective and differentiable stand-ins for quantiser and coder.

Rates are Laplace code lengths of a unit-step quantiser; ``log_scale`` is log2 of the Laplace scale in steps.
Additive uniform noise in place of rounding: Balle, Laparra and Simoncelli (2017). Straight-through rounding:
Bengio, Leonard and Courville (2013).
"""

import math

import torch

_LOG2E = math.log2(math.e)


def laplace_bits(value: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """Returns the code length in bits of the unit cell around ``value``, differentiable in both arguments."""
    inverse = torch.exp2(-log_scale)
    magnitude = value.abs()
    centre = 0.5 * (
        torch.exp((magnitude.clamp(max=0.5) - 0.5) * inverse) + torch.exp(-(magnitude + 0.5) * inverse)
    )
    inside = -torch.log2((1 - centre).clamp_min(1e-7))
    mass = torch.log2((-torch.expm1(-inverse)).clamp_min(1e-7))
    outside = (magnitude - 0.5) * inverse * _LOG2E - mass + 1
    return torch.where(magnitude < 0.5, inside, outside)


def choose(y: torch.Tensor, log_scale: torch.Tensor, lam: float) -> torch.Tensor:
    """Returns the coder's rate-distortion optimised rounding of y under a Laplace model (no gradient)."""
    magnitude = y.abs()
    top = torch.floor(magnitude + 0.5)
    best = torch.zeros_like(y)
    least = magnitude.square() + lam * laplace_bits(best, log_scale)
    for candidate in ((top - 1).clamp_min(0), top):
        cost = (magnitude - candidate).square() + lam * laplace_bits(candidate, log_scale)
        better = cost < least
        best, least = torch.where(better, candidate, best), torch.where(better, cost, least)
    return best * torch.sign(y)


def straight_through(hard: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """Returns ``hard`` in value, gradient of ``soft``."""
    return soft + (hard - soft).detach()


def objective(error: torch.Tensor, bits: torch.Tensor, lam: float) -> torch.Tensor:
    """Returns the mean squared error (squared steps per sample) plus ``lam`` times bits per sample."""
    return error.square().mean() + lam * bits.mean()
