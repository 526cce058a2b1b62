"""Keeps the loader of checkpoints under the name that scripts of users import."""

from cookbooks.lamquant.codec.checkpoint import load_checkpoint

__all__ = ["load_checkpoint"]
