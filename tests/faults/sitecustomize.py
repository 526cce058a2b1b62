"""Kills or stops a process at a named point; loaded by every Python below a test that puts it on the path.

Does nothing without ``$BLUT_FAULT``: JSON with ``at`` (a name in `POINTS`), ``victim`` (``self``, ``run`` for
the process of the run, ``tree`` for run, supervisor and payload), ``number`` of the signal, ``nth`` (which
time, from 1) and ``fired`` (a file: made when it happens, so that it happens once).
"""

# It wraps methods of Path, and must not load it for every interpreter.
# ruff: noqa: PTH110, PTH119, PTH120, PTH123

import os
import sys

FAULT = os.environ.get("BLUT_FAULT")
if FAULT:
    import functools
    import importlib.abc
    import importlib.util
    import json
    from collections.abc import Callable
    from typing import Any, NamedTuple

    class Point(NamedTuple):
        """``before`` or ``after`` a function, in the payload or in the process of the run."""

        role: str
        module: str
        function: str
        when: str
        matches: Callable[..., bool] = lambda *_, **__: True

    def _named(*names: str) -> Callable[..., bool]:
        """Renames to one of these file names."""
        return lambda _, target: os.path.basename(target) in names

    def _epoch(_: Any, target: Any) -> bool:
        return os.path.basename(target).startswith("epoch-")

    def _stores(asset: str) -> Callable[..., bool]:
        return lambda *_: storing == asset

    def _lock(word: str) -> Callable[..., bool]:
        return lambda path, **_: word in os.path.basename(path)

    def _starts(_: Any, run_id: str, event: Any, *__: Any) -> bool:
        return event.event_type_value == "PIPELINE_START"

    def _both(role: str, module: str, function: str, name: str, **more: Any) -> dict[str, Point]:
        return {f"{when} {name}": Point(role, module, function, when, **more) for when in ("before", "after")}

    storing = ""
    """The asset whose materialization is just being written to the event log."""
    RENAME = ("pathlib", "Path.replace")
    MOVE = ("pathlib", "Path.rename")
    COMMIT = ("sqlalchemy.engine.default", "DefaultDialect.do_commit")
    LAUNCHING = "blut_resources.containment.launching"
    EVENTS = "dagster._core.instance.methods.event_methods"
    RUNS = "dagster._core.storage.runs.sql_run_storage"
    POINTS: dict[str, Point] = {
        **_both("payload", "blut_resources.payload_kit.session", "payload_session", "the payload starts"),
        **_both("payload", *RENAME, "the checkpoint's rename", matches=_named("checkpoint.json")),
        **_both("payload", *MOVE, "the codec's checkpoint appears", matches=_epoch),
        **_both(
            "payload", "blut_resources.payload_kit.session", "PayloadSession.epoch", "an epoch is reported"
        ),
        **_both("payload", "blut_resources.payload_kit.session", "PayloadSession.done", "done"),
        **_both("run", RUNS, "SqlRunStorage.handle_run_event", "the run shows as started", matches=_starts),
        **_both("run", "blut_resources.leases.files", "add", "the lease is taken"),
        **_both("run", "blut_resources.files.durable", "acquire", "the lock", matches=_lock("fingerprint-")),
        **_both("run", LAUNCHING, "_start", "the unit starts"),
        **_both("run", LAUNCHING, "record", "the unit waits for its go"),
        **_both("run", "blut_resources.store.artifacts", "ArtifactStore.put", "the store takes the result"),
        **_both("run", *MOVE, "the data moves in", matches=_named("data")),
        **_both("run", *MOVE, "the artifact appears", matches=lambda _, to: len(os.path.basename(to)) == 64),
        **_both("run", *COMMIT, "a commit of raw's event", matches=_stores("raw")),
        **_both("run", *COMMIT, "a commit of the training's event", matches=_stores("trained")),
        **_both("run", *COMMIT, "a commit of the last event", matches=_stores("judged")),
        **_both("run", "blut_resources.store.places", "StorePlaces.discard_work", "the work goes"),
    }

    class _Fault:
        def __init__(self, at: str, fired: str, victim: str = "self", number: int = 9, nth: int = 1) -> None:
            self.point, self.fired, self.victim, self.number, self.nth = (
                POINTS[at],
                fired,
                victim,
                number,
                nth,
            )

        def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                due = self.due(*args, **kwargs)
                if due and self.point.when == "before":
                    self.strike()
                result = function(*args, **kwargs)
                if due and self.point.when == "after":
                    self.strike()
                return result

            return wrapped

        def due(self, *args: Any, **kwargs: Any) -> bool:
            if not self.point.matches(*args, **kwargs) or os.path.exists(self.fired):
                return False
            self.nth -= 1
            return self.nth == 0

        def strike(self) -> None:
            with open(self.fired, "w") as file:
                file.write(str(os.getpid()))
            for pid in [*_above(self.victim), *([] if self.victim == "run" else [os.getpid()])]:
                os.kill(pid, self.number)

    def _above(victim: str) -> list[int]:
        """The process of the run and the supervisor, as they have told the payload."""
        if victim == "self":
            return []
        place = os.path.dirname(os.environ["BLUT_PAYLOAD_CONFIG"])
        with open(f"{place}/spec.json") as spec, open(f"{place}/unit.json") as up:
            run, supervisor = json.load(spec)["owner"][0], json.load(up)["pid"]
        return [run] if victim == "run" else [run, supervisor]

    def _watch_events(store: Callable[..., Any]) -> Callable[..., Any]:
        def handle_new_event(self: Any, event: Any, **how: Any) -> None:
            global storing
            if (
                event.is_dagster_event
                and event.get_dagster_event().event_type_value == "ASSET_MATERIALIZATION"
            ):
                storing = event.get_dagster_event().asset_key.path[-1]
            try:
                store(self, event, **how)
            finally:
                storing = ""

        return handle_new_event

    class _Finder(importlib.abc.MetaPathFinder):
        """Wraps functions of modules right after they were loaded."""

        def __init__(self, wraps: dict[str, list[tuple[str, Callable[..., Any]]]]) -> None:
            self.wraps = wraps

        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name not in self.wraps:
                return None
            sys.meta_path.remove(self)
            try:
                spec = importlib.util.find_spec(name)
            finally:
                sys.meta_path.insert(0, self)
            assert spec and spec.loader
            load = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                load(module)
                _replace(module, self.wraps.pop(name))

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
            return spec

    def _replace(module: Any, wraps: list[tuple[str, Callable[..., Any]]]) -> None:
        for function, wrap in wraps:
            *owners, last = function.split(".")
            owner = functools.reduce(getattr, owners, module)
            setattr(owner, last, wrap(getattr(owner, last)))

    def _install(fault: _Fault) -> None:
        role = "payload" if "BLUT_PAYLOAD_CONFIG" in os.environ else "run"
        if role != fault.point.role:
            return
        wraps = {fault.point.module: [(fault.point.function, fault.wrap)]}
        if role == "run":
            wraps.setdefault(EVENTS, []).append(("EventMethods.handle_new_event", _watch_events))
        for name in [name for name in wraps if name in sys.modules]:
            _replace(sys.modules[name], wraps.pop(name))
        sys.meta_path.insert(0, _Finder(wraps))

    _install(_Fault(**json.loads(FAULT)))
