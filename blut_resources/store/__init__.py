"""Keeps bytes under their digest."""

from blut_resources.store.artifacts import ArtifactStore

__all__ = ["ArtifactStore"]
