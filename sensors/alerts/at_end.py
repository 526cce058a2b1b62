"""Tells the hooks when what failed ends: a command of Blut, or a process in which Dagster executes a run."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg

from blut_resources.dagster_private.instigators import is_off, sensors_of
from blut_resources.files.durable import StoreError
from blut_resources.files.named import PathRefused
from blut_resources.text import one_line
from sensors.alerts.scope import AlertScope
from sensors.alerts.settings import AlertSettings, AlertSettingsError, settings_path, usable
from sensors.alerts.telling import NAME, TellingTime, begin, scope_of, tell

BOUNDS = TellingTime(patience=8.0, budget=8.0, each=4.0, early=3)
"""A server that does not answer holds nobody's terminal: the next command, or the daemon, tells it again."""
DAGSTERS = ("dagster", "dg")


class _Terminal:
    """Says on standard error what did not go well, if that is still open."""

    def info(self, _msg: str) -> None:
        """Say nothing of what went well."""

    def warning(self, msg: str) -> None:
        """Say what did not go well."""
        with contextlib.suppress(OSError, ValueError):
            print(f"alerts: {one_line(msg)}", file=sys.stderr, flush=True)

    error = warning


def begin_here(instance: dg.DagsterInstance) -> None:
    """Have what happens from now on told, if somebody is to be told; what is wrong is said at the end."""
    with contextlib.suppress(Exception):
        if _settings().hook:
            begin(instance)


def tell_hooks(
    instance: dg.DagsterInstance, own: Callable[[], AlertScope], blocked: Mapping[str, str] | None = None
) -> None:
    """Tell the hooks what failed since somebody told them last; in a few seconds, and never in a run's way.

    Args:
        own: gives what is Blut's, once somebody is to be told.
        blocked: policies that cannot be acted on, each with why; None where nobody has looked.
    """
    with _costs_nobody() as log:
        settings = _settings(log)
        if not settings.hook or switched_off(instance):
            return
        if tell(instance, scope_of(instance, own()), settings, log, BOUNDS, blocked).state is None:
            log.warning(
                "another process tells the hooks at this moment; the next command or the daemon goes on"
            )


def is_dagsters_process() -> bool:
    """Says whether this process is a command of Dagster's, or one that it has started for a run."""
    return any(Path(word).name in DAGSTERS for word in sys.orig_argv[:3])


def switched_off(instance: dg.DagsterInstance) -> bool:
    """Says whether somebody has switched the sensor that tells hooks off, in every code location."""
    found = [is_off(one) for one in sensors_of(instance) if one.instigator_name == NAME]
    return bool(found) and all(found)


def _settings(log: _Terminal | None = None) -> AlertSettings:
    settings, problems = usable(settings_path())
    for problem in problems:
        if log:
            log.warning(problem.text)
    return settings


@contextlib.contextmanager
def _costs_nobody() -> Iterator[_Terminal]:
    """Say what is wrong in a line: whatever it is, it changes nothing of the run before it."""
    log = _Terminal()
    try:
        yield log
    except KeyboardInterrupt:
        log.warning("interrupted; the next command or the daemon tells the rest")
    except (AlertSettingsError, PathRefused, StoreError) as error:
        log.warning(f"nobody is told: {error}")
    except Exception as error:
        log.warning(f"nobody is told: {type(error).__name__}: {error}")
