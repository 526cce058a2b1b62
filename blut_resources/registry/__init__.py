"""The model registry, and the verdicts without which nothing gets a name in it."""

from blut_resources.registry.models import ModelRegistry

__all__ = ["ModelRegistry"]
