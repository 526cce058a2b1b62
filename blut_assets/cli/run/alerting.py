"""Tells the alert hooks at the end of a command what failed, so that nobody needs a daemon for that."""

import contextlib
from collections.abc import Iterator, Mapping

import dagster as dg

from blut_resources.alive import reap_dead_runs
from blut_resources.files.named import PathRefused
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance
from sensors.alerts import at_end
from sensors.alerts.ledger import forget
from sensors.alerts.scope import AlertScope
from sensors.alerts.settings import settings_path


@contextlib.contextmanager
def alerted() -> Iterator[None]:
    """Have the hooks told, at the end of the block, of what failed in it or was found dead.

    The instance is opened for it only where there are settings.
    """
    begin_to_tell()
    try:
        yield
    except KeyboardInterrupt:  # who stopped it waits for nothing more
        raise
    except BaseException:  # the command ends with what is to be told, such as a full disk
        tell_at_end()
        raise
    tell_at_end()


def begin_to_tell() -> None:
    """Have the hooks told, by `tell_at_end`, of what happens from now on."""
    if _somebody():
        with open_instance() as instance:
            at_end.begin_here(instance)


def _somebody() -> bool:
    """Says whether there are settings; where there are none, nobody is told later of what happens now."""
    try:
        if settings_path().exists():
            return True
        forget(find_home())
    except (OSError, PathRefused):  # which is said where somebody would be told
        return True
    return False


def tell_at_end() -> None:
    """Tell the hooks what failed or was found dead, where there are any."""
    if _somebody():
        with open_instance() as instance:
            tell_hooks(instance)


def tell_hooks(instance: dg.DagsterInstance, blocked: Mapping[str, str] | None = None) -> None:
    """Tell the hooks what failed since somebody told them last, of all that is Blut's here.

    Args:
        blocked: policies that cannot be acted on, each with why; None where nobody has looked.
    """
    at_end.tell_hooks(instance, _own, blocked)


def _own() -> AlertScope:
    from blut_assets.building import alert_scope
    from blut_assets.definitions import discovered

    return alert_scope(discovered)


def reap_and_tell(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process is gone; who finds one tells the hooks, for nobody else could."""
    if reap_dead_runs(instance):
        tell_hooks(instance)
