"""Declares the floors that each gate judges by."""

from cookbooks.lamquant.sources import SHIPPED_REGISTRY, floors_of

floor_registry = floors_of("floor_registry", SHIPPED_REGISTRY)
