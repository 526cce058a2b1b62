"""Starts sooner:
without modules that Dagster imports and a run does not use, and without collecting garbage.
"""

import contextlib
import functools
import gc
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

MIGRATION = (
    *("alembic.command", "alembic.config", "alembic.script"),
    *("alembic.runtime.environment", "alembic.runtime.migration"),
    "tqdm",
)
"""Databases that Blut makes need none, and alembic brings Mako, Pygments and half of SQLAlchemy with it."""

CALLED_EARLY = ("structlog",)
"""Called on the way, for what a run never asks: the loggers of Dagster's daemons. It brings Rich."""


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Load without a look for garbage, which takes a fifth of the time: what is loaded stays.

    It also stays out of later searches, and out of the one at the end of the process.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def put_off(modules: Iterable[str] = MIGRATION, called: Iterable[str] = CALLED_EARLY) -> Iterator[None]:
    """Let imports of these modules inside the block cost nothing until what they took is used.

    ``import a`` and ``from a import b`` get a stand-in, which does the import when it is called or asked for
    an attribute; with ``called``, what a call would return is a stand-in too. That is enough for functions
    and for classes that nobody inherits from. Modules that are loaded by then are left alone, and after the
    block an import is an import again.
    """
    wait = {**dict.fromkeys(modules, False), **dict.fromkeys(called, True)}
    standins = {name: _Module(name, wait[name]) for name in wait if name not in sys.modules}
    sys.modules.update(standins)
    try:
        yield
    finally:
        for name, standin in standins.items():
            if sys.modules.get(name) is standin:
                del sys.modules[name]


@contextlib.contextmanager
def without_dialects() -> Iterator[None]:
    """Let Dagster's tables be declared inside the block without those dialects that they only mention.

    What they say of an index in MySQL and PostgreSQL has SQLAlchemy load all of both, to see what else an
    index has there. Afterwards whoever asks for one loads it. When SQLAlchemy changes, look at
    ``_validate_dialect_kwargs`` of ``DialectKWArgs``, and at ``construct_arguments`` of the dialects.
    """
    from sqlalchemy.schema import Index
    from sqlalchemy.sql.base import DialectKWArgs

    registry = DialectKWArgs._kw_registry
    told = {name: {Index: known} for name, known in of_an_index().items() if name not in registry}
    registry.update(told)
    try:
        yield
    finally:
        for name, known in told.items():
            if registry[name] is known:
                del registry[name]


def of_an_index() -> dict[str, dict[str, Any]]:
    """Returns by the name of a dialect what an index has in it, as the dialect says."""
    from sqlalchemy.sql.base import DialectKWArgConst

    lists = {"ops": {}, "with": {}}
    flags = {"using": False, "concurrently": False, "invalid": DialectKWArgConst.REFLECTED_ONLY}
    absent: dict[str, Any] = dict.fromkeys(("include", "where", "tablespace", "nulls_not_distinct"))
    mysql: dict[str, Any] = dict.fromkeys(("using", "length", "prefix", "with_parser"))
    return {"mysql": mysql, "postgresql": {**lists, **flags, **absent}}


class _Module(ModuleType):
    def __init__(self, name: str, calls_wait: bool) -> None:
        super().__init__(name)
        self._calls_wait = calls_wait

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(functools.partial(_import, self.__name__, name), self._calls_wait)


class _Later:
    """Stands for whatever ``make`` makes, once it is needed."""

    def __init__(self, make: Callable[[], Any], calls_wait: bool) -> None:
        self._make, self._calls_wait = functools.cache(make), calls_wait

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._calls_wait:
            return _Later(lambda: self._make()(*args, **kwargs), False)
        return self._make()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def _import(module: str, name: str) -> Any:
    if isinstance(sys.modules.get(module), _Module):
        del sys.modules[module]
    return getattr(importlib.import_module(module), name)
