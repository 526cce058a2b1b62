"""Tells the alert hooks at the end of a command what failed, so that nobody needs a daemon for that."""

import contextlib
import sys
from collections.abc import Iterator, Mapping

import dagster as dg

from blut_resources.alive import reap_dead_runs
from blut_resources.dagster_private.instigators import is_off, sensors_of
from blut_resources.files.durable import StoreError
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance
from blut_resources.text import one_line
from sensors.alerts.ledger import forget
from sensors.alerts.settings import AlertSettings, AlertSettingsError, settings_path, usable
from sensors.alerts.telling import NAME, Bounds, begin, scope_of, tell

BOUNDS = Bounds(patience=8.0, budget=8.0, each=4.0, early=3)
"""A server that does not answer holds nobody's terminal: the next command, or the daemon, tells it again."""


class _Terminal:
    """Says on standard error what did not go well, if that is still open."""

    def info(self, _msg: str) -> None:
        """Say nothing of what went well."""

    def warning(self, msg: str) -> None:
        """Say what did not go well."""
        with contextlib.suppress(OSError, ValueError):
            print(f"alerts: {one_line(msg)}", file=sys.stderr, flush=True)

    error = warning


@contextlib.contextmanager
def alerted() -> Iterator[None]:
    """Have the hooks told, at the end of the block, of what failed in it or was found dead.

    The instance is opened for it only where somebody is to be told.
    """
    with _costs_nobody():
        if _settings().hook:
            with open_instance() as instance:
                begin(instance)
        else:
            forget(find_home())
    try:
        yield
    except KeyboardInterrupt:  # who stopped it waits for nothing more
        raise
    except BaseException:  # the command ends with what is to be told, such as a full disk
        _tell_at_end()
        raise
    _tell_at_end()


def _tell_at_end() -> None:
    with _costs_nobody():
        if settings_path().exists():
            with open_instance() as instance:
                tell_hooks(instance)


def tell_hooks(instance: dg.DagsterInstance, blocked: Mapping[str, str] | None = None) -> None:
    """Tell the hooks what failed since somebody told them last; in a few seconds, and never in a run's way.

    Args:
        blocked: policies that cannot be acted on, each with why; None where nobody has looked.
    """
    from blut_assets.building import alert_scope
    from blut_assets.definitions import discovered

    with _costs_nobody() as log:
        settings = _settings(log)
        if not settings.hook or switched_off(instance):
            return
        scope = scope_of(instance, alert_scope(discovered))
        if tell(instance, scope, settings, log, BOUNDS, blocked).state is None:
            log.warning(
                "another process tells the hooks at this moment; the next command or the daemon goes on"
            )


def reap_and_tell(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process is gone; who finds one tells the hooks, for nobody else could."""
    if reap_dead_runs(instance):
        tell_hooks(instance)


def switched_off(instance: dg.DagsterInstance) -> bool:
    """Says whether somebody has switched the sensor that tells hooks off, in every code location."""
    found = [is_off(one) for one in sensors_of(instance) if one.instigator_name == NAME]
    return bool(found) and all(found)


def _settings(log: _Terminal | None = None) -> AlertSettings:
    settings, problems = usable(settings_path())
    for problem in problems:
        if log:
            log.warning(problem)
    return settings


@contextlib.contextmanager
def _costs_nobody() -> Iterator[_Terminal]:
    """Say what is wrong in a line: whatever it is, it changes nothing of the run before it."""
    log = _Terminal()
    try:
        yield log
    except KeyboardInterrupt:
        log.warning("interrupted; the next command or the daemon tells the rest")
    except (AlertSettingsError, StoreError) as error:
        log.warning(f"nobody is told: {error}")
    except Exception as error:
        log.warning(f"nobody is told: {type(error).__name__}: {error}")
