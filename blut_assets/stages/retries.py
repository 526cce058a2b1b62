"""Tries again what failed for a cause that may pass by itself: a retry of Dagster's, after a growing wait.

How often it was is kept as a tag of the run: whichever process executes the next attempt finds it there. A
lack of memory has its own way (`more_memory`), and what the user has to mend is never tried again.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import dagster as dg

from blut_assets.stages.recording import RunRecorder
from blut_assets.stages.until import Until
from blut_resources.files.full import CAUSE as FULL_DISK
from blut_resources.files.full import is_nearly_full
from blut_resources.files.passing import Passing, may_pass
from blut_resources.instance.places import places
from blut_resources.machine.amounts import parse_duration
from blut_resources.payloads import step_tags
from blut_resources.payloads.admission import say_waiting
from blut_resources.payloads.payload import PayloadFailed, PayloadOutOfRoom
from blut_resources.payloads.watching import WATCH_S, wanted
from blut_resources.settings import origin, settings
from blut_resources.text import lines, one_line

TAG = "blut/retries."
FIRST_WAIT = "BLUT_RETRY_WAIT"
FIRST_S = 10.0
LONGEST_S = 600.0
"""Seconds of the longest wait; a server that names a longer one is not waited for beyond `ASKED_S`."""
ASKED_S = 3600.0
SPREAD = 0.25
"""Of a wait, by how much it differs, so that many who were refused at once do not come back at once."""
POLL_S = 0.1


class AnotherAttempt(dg.RetryRequested):
    """Asks Dagster for another attempt, after `pause`."""

    def __init__(self, max_retries: int, facts: dict[str, object], pause: Callable[[], None]) -> None:
        super().__init__(max_retries=max_retries)
        self.facts, self.pause = facts, pause


class Retries:
    """Decides, for one asset in one step, whether what went wrong is worth another attempt.

    Args:
        at_most: how often; 0 for never.

    Raises:
        LimitsError: $BLUT_RETRY_WAIT is not a duration.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        home: Path,
        name: str,
        at_most: int,
        record: RunRecorder,
        until: Until,
    ) -> None:
        self._context, self._home, self._name, self._most = context, home, name, at_most
        self._record, self._until = record, until
        self._first = _first_wait()  # one that makes no sense is refused before anything is computed

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Turn an error whose cause may pass into the request for another attempt.

        Raises:
            AnotherAttempt: it may, and there is an attempt left.
        """
        try:
            yield
        except dg.RetryRequested:
            raise
        except Exception as error:
            found = _passing(error)
            if found and self._most and not step_tags.is_direct(self._context):
                self._ask(error, found)
            raise

    def _ask(self, error: Exception, found: Passing) -> None:
        used = self._used()
        if used >= self._most:
            error.add_note(f"after {_times(used)} (retries={self._most})")
            return
        if found.after_s > ASKED_S:
            error.add_note(f"not tried again: the server wants no other attempt for {found.after_s:.0f} s")
            return
        wait = max(found.after_s, _backoff(self._first, used))
        try:
            number = step_tags.remember(self._context, TAG, str(used + 1))
        except Exception:  # the next attempt could not know how many there were
            return
        self._raise(error, found, wait, used + 1, number)

    def _raise(self, error: Exception, found: Passing, wait: float, nth: int, number: int) -> NoReturn:
        facts = {"cause": found.cause, "retry": nth, "of": self._most, "wait_s": round(wait, 1)}

        def pause() -> None:
            try:
                self._pause(error, found, wait, nth)
            except BaseException as end:
                self._record.failed(end)
                raise

        raise AnotherAttempt(number + 1, facts, pause) from error

    def _used(self) -> int:
        said = step_tags.recall(self._context, TAG)
        return int(said) if said.isdecimal() else 0

    def _pause(self, error: Exception, found: Passing, wait: float, nth: int) -> None:
        """Wait, with no lease and no lock, and for room where a disk was full."""
        log, of = self._context.log, f"retry {nth} of {self._most}"
        self._tell(f"{of} in {wait:.0f} s: {one_line(found.said, 200)}")
        log.warning(f"{lines(error)}\n{self._name}: {of} in {wait:.0f} s (retries)")
        begun = time.monotonic()
        self._sleep(begun + wait, error)
        if found.cause == FULL_DISK:
            longest = sum(_backoff(self._first, used) for used in range(nth, self._most))
            self._wait_for_room(begun, time.monotonic() + longest, error, nth)
        self._tell(f"no more, after {time.monotonic() - begun:.0f} s")

    def _sleep(self, ends: float, error: Exception, full: Callable[[], object] | None = None) -> None:
        """Wait until then, or until what was full is not.

        Raises:
            DeadlinePassed: the deadline of the run came first.
            Exception: the error itself, where nobody wants its result any more.
        """
        over, look_at = wanted(self._context.instance, self._context.run.run_id), 0.0
        while (now := time.monotonic()) < ends:
            self._until.refuse()
            if now > look_at:
                look_at = now + WATCH_S
                if over():
                    raise error
                if full and not full():
                    return
            time.sleep(min(POLL_S, max(0.0, ends - now)))

    def _wait_for_room(self, begun: float, ends: float, error: Exception, nth: int) -> None:
        if (full := self._full()) and time.monotonic() < ends:
            self._tell(f"waiting for room on {', '.join(full)}")
            self._sleep(ends, error, self._full)
        if full := self._full():
            waited = f"after {_times(nth - 1)} and a wait" if nth > 1 else "after a wait"
            waited = f"{waited} of {time.monotonic() - begun:.0f} s, so it was not tried again"
            error.add_note(f"there was still no room on {', '.join(full)} {waited}")
            raise error

    def _full(self) -> list[str]:
        return sorted({str(place) for place in places(self._home).values() if is_nearly_full(place)})

    def _tell(self, text: str) -> None:
        say_waiting(self._context.instance, self._context.run.run_id, text)


def _times(retries: int) -> str:
    return "1 retry" if retries == 1 else f"{retries} retries"


def _passing(error: Exception) -> Passing | None:
    if isinstance(error, PayloadOutOfRoom):
        return Passing(FULL_DISK, str(error).splitlines()[0])
    if isinstance(error, PayloadFailed):
        return error.passing
    return may_pass(error)


def _first_wait() -> float:
    said = settings().get(FIRST_WAIT, "").strip()
    return parse_duration(said, origin(FIRST_WAIT)) if said else FIRST_S


def _backoff(first: float, used: int) -> float:
    """Returns the seconds to wait after so many retries: doubled each time, and spread a little."""
    return min(LONGEST_S, first * 2 ** min(used, 30)) * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311
