"""Says why a payload has to end before it is done, and what it has failed by then."""

import contextlib
from collections.abc import Callable, Iterator

from blut_resources.containment import Outcome
from blut_resources.launchers.base import NeverStarted
from blut_resources.payloads.early import Early
from blut_resources.payloads.payload import Payload, PayloadFailed, PayloadPastDeadline, PayloadPruned


class EndReasons:
    """Asks one after the other who may want the end of a payload."""

    def __init__(
        self,
        payload: Payload,
        overdue: Callable[[], str],
        early: Early,
        unwanted: Callable[[], str],
        refuse_lost: Callable[[], object],
    ) -> None:
        self._payload, self._early, self._late = payload, early, ""
        self._overdue, self._unwanted, self._refuse_lost = overdue, unwanted, refuse_lost

    def __call__(self) -> str:
        """Returns why it has to end; empty as long as it may go on."""
        self._refuse_lost()
        self._late = self._late or self._overdue()
        return self._late or self._early.overdue() or self._unwanted()

    @contextlib.contextmanager
    def before_its_start(self) -> Iterator[None]:
        """Raise that the payload has failed, where it was ended before anything of it began.

        Raises:
            PayloadFailed: it was.
            PayloadPastDeadline: that is why.
        """
        try:
            yield
        except NeverStarted as error:
            if self._late:
                raise PayloadPastDeadline(f"{self._payload.name}: {self._late}", error.outcome) from None
            what = f"{self._payload.module}: {error}, before it was started"
            raise PayloadFailed(what, error.outcome) from None

    def failure(self, outcome: Outcome, stays: str) -> PayloadFailed | None:
        """Returns what a payload has failed that is not done, if it was ended by its run; else None.

        Args:
            stays: what is kept of it.
        """
        if self._late:
            return PayloadPastDeadline(f"{self._payload.name}: {self._late}", outcome)
        if self._early.why:
            return PayloadPruned(f"{self._payload.name}: {self._early.why}{stays}", outcome)
        return None
