"""Reads a config class once, however many assets take it: Dagster does it for each of them.

That is more than half of what it takes to declare a stage asset. When Dagster changes, look at ``__call__``
of ``_Op`` in ``dagster._core.definitions.decorators.op_decorator``, which asks for the schema of what an
asset's ``config`` is annotated with, and at ``infer_schema_from_config_annotation``.
"""

import functools
from collections.abc import MutableMapping
from inspect import Parameter, isclass
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg
from dagster._config import pythonic_config

_infer = pythonic_config.infer_schema_from_config_annotation
_known: MutableMapping[type[dg.Config], dg.Field] = WeakKeyDictionary()


@functools.wraps(_infer)
def _once(model_cls: Any, config_arg_default: Any) -> dg.Field:
    if (
        not (isclass(model_cls) and issubclass(model_cls, dg.Config))
        or config_arg_default is not Parameter.empty
    ):
        return _infer(model_cls, config_arg_default)
    if (known := _known.get(model_cls)) is None:
        known = _known[model_cls] = _infer(model_cls, config_arg_default)
    return known


pythonic_config.infer_schema_from_config_annotation = _once
