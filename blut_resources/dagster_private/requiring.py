"""Makes an asset require resources that its function does not name, so that the UI says who uses them.

``dg.asset`` takes ``required_resource_keys``, and an asset that has them is an error wherever they are not
given. Only the definitions that give them may ask for them, and public API changes no asset in this way.
When Dagster changes, look at ``AssetsDefinition.get_attributes_dict``, and at
``OpDefinition._required_resource_keys``.
"""

import copy
from collections.abc import Collection
from functools import cache
from typing import Any

import dagster as dg


def requiring(asset: dg.AssetsDefinition, keys: Collection[str]) -> dg.AssetsDefinition:
    """Returns an asset that requires resources besides its own; always the same one for an asset."""
    return _requiring(asset, frozenset(keys))


@cache
def _requiring(asset: Any, keys: frozenset[str]) -> dg.AssetsDefinition:
    op: Any = copy.copy(asset.op)
    op._required_resource_keys = frozenset({*op.required_resource_keys, *keys})
    return type(asset).dagster_internal_init(**{**asset.get_attributes_dict(), "node_def": op})
