"""Registers models, and holds the verdicts without which nothing gets a name there."""

from blut_resources.registry.models import ModelRegistry

__all__ = ["ModelRegistry"]
