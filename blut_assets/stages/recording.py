"""Writes what the making of one asset leaves in the files of its run: events, metrics, a tracker's run."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages.spec import StageConfig
from blut_resources.files import reserve
from blut_resources.files.full import CAUSE, is_full
from blut_resources.payloads.record import Left, RunRecord, unheard
from blut_resources.runs import manifest
from blut_resources.runs.curve import Row
from blut_resources.runs.files import manifest_path, run_dir
from blut_resources.runs.metrics import RESUMED_FROM
from blut_resources.runs.tracking import NoTracker, Tracker, chosen_logger, open_tracker


class RunRecorder:
    """Writes down what happens to one asset in one run. Nothing that goes wrong here ends a training.

    ``facts`` go into the manifest: what is made of what, with which settings.
    """

    def __init__(
        self, home: Path, context: dg.AssetExecutionContext, asset: str, config: StageConfig, **facts: Any
    ) -> None:
        self._home, self._run_id, self._asset = home, context.run.run_id, asset
        self._log, self._config = context.log, config.for_payload()
        self._facts = {"config": self._config, **facts}
        self._logger = config.logger
        self._record = RunRecord(home, self._run_id, asset, self._log.warning)
        self._status = self._record.status
        self._tracker: Tracker = NoTracker()
        self._left: Left | None = None
        self.work: Callable[[], Path] | None = None
        """Gives the work directory, in which earlier attempts have left their epochs."""

    @property
    def curve(self) -> list[Row]:
        """Returns the epochs that count, also those of earlier attempts."""
        return self._record.curve.rows

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Record that it is computed inside; an exception is its end.

        Raises:
            TrackerUnavailable: a tracker was asked for that there is not.
        """
        self._logger = chosen_logger(self._logger)
        # not flushed by itself: what is reported of it later is, and brings all lines before it to the disk
        self._status.write("asset_started", self._asset, **self._facts)
        try:
            yield
        except dg.RetryRequested as request:
            self._retried(request)
            raise
        except Exception as error:
            self.failed(error)
            self.settle()
            raise
        except BaseException as error:  # who has no more time does not wait for a tracker
            self.failed(error)
            raise
        finally:
            self._record.close()

    def reused(self, digest: str, origin: str, elsewhere: str = "") -> None:
        """Record that it was there already, of which run, and whose where that is in another history."""
        facts = {**self._facts, "digest": digest, "origin": origin}
        facts |= {"made_by": elsewhere} if elsewhere else {}
        self._status.write("asset_reused", self._asset, **facts)
        self._status.close()

    def finished(self, digest: str, seconds: float, peak: int | None) -> None:
        """Record that its bytes are in the store."""
        facts = {"digest": digest, "seconds": round(seconds, 3)}
        facts |= {"peak_memory_bytes": peak} if peak else {}
        self._status.write("asset_finished", self._asset, durable=True, **facts)
        self._tracked(lambda: self._tracker.finish(ok=True))

    def settle(self) -> None:
        """Give a tracker a moment, now that nothing waits for this asset any more, and tell what it lacks."""
        if lacks := self._tracked(self._tracker.settle):
            self._log.warning(
                f"{self._asset}: {self._logger} was not told all of it: {lacks}; its epochs are in the table,"
                f" and a later command of Blut tells {self._logger} of all of them"
            )

    def epochs(self) -> Sequence[Mapping[str, Any]]:
        """Returns the metrics of the epochs of its payloads."""
        return self._record.rows()

    def payload(self, event: Mapping[str, Any]) -> None:
        """Record what its payload reports, and what was seen of it."""
        if event["event"] == "gauge":
            self._status.write("gauge", self._asset, **event["values"])
        elif event["event"] == "started":
            facts = {name: value for name, value in event.items() if name != "event"}
            self._status.write("payload_started", self._asset, **facts)
            manifest.look_around(self._home, self._run_id)  # it is known, but where each step has a process
            manifest.looked_around(self._run_id)  # the payload is at work meanwhile
            self._begin(taken_over=event["taken_over"])
        elif self._record.take(event):
            self._track()
            self._say_seam()

    def _begin(self, *, taken_over: bool) -> None:
        """Find what earlier attempts have left, and say it."""
        if self.work is None:
            return
        work, self.work = self.work(), None  # a stage may run several payloads
        self._left = left = self._record.begin(work, taken_over=taken_over)
        if left is None:
            return
        state = (
            f"the state of epoch {left.state.epoch:g} ({left.state.path.name})" if left.state else "no state"
        )
        of = f"run {left.run[:8]}" if left.run not in ("", self._run_id) else "an earlier attempt"
        self._log.info(f"{self._asset}: {of} left {_epochs(left.epochs, left.last)} and {state}")
        self._track()

    def _say_seam(self) -> None:
        """Say, at the first epoch, from where a training that was broken off really went on."""
        if self._left is None or self._record.curve.open:
            return
        rows, left, self._left = self.curve, self._left, None
        number, seam = rows[-1]["epoch"], rows[-1].get(RESUMED_FROM)
        if seam is None:
            self._log.warning(
                f"{self._asset}: began anew with epoch {number:g}: what was left of it was not used"
            )
            return
        whose = left.state.run if left.state else left.run
        of = f"of run {whose[:8]}" if whose not in ("", self._run_id) else "of an earlier attempt"
        self._log.info(
            f"{self._asset}: went on with epoch {number:g}, from the state {of} after epoch {seam:g}"
        )

    def limited(self, facts: Mapping[str, Any]) -> None:
        """Record which limit its payload gets, and where that comes from."""
        self._status.write("limited", self._asset, **facts)

    def last_words(self, place: Path) -> None:
        """Record what its payload has said since somebody ended it, read in the place that it had."""
        self._record.mend()
        for event in unheard(place, self._home, self._run_id, self._asset):
            self.payload(event)

    def is_behind(self) -> bool:
        """Says whether something of it could still not be written, as on a full disk."""
        return self._record.is_behind()

    def _open_tracker(self) -> Tracker:
        if isinstance(self._tracker, NoTracker) and self._logger != "none":
            known = manifest.read(manifest_path(self._home, self._run_id))
            self._tracker = open_tracker(
                self._logger,
                self._home,
                run_id=self._run_id,
                asset=self._asset,
                experiment=known["experiment"],
                config={**self._config, "intent": known["intent"]},
            )
        return self._tracker

    def _track(self) -> None:
        """Have a tracker follow, from the first epoch on."""
        self._tracked(self._open_tracker)

    def _tracked(self, call: Callable[[], Any]) -> Any:
        """Tell of a tracker that fails, once, and leave it alone."""
        try:
            return call()
        except Exception as error:
            self._log.warning(f"{self._asset}: {self._logger} fails and gets nothing more of this: {error!r}")
            self._tracker, self._logger = NoTracker(), "none"
            return None

    def _retried(self, request: dg.RetryRequested) -> None:
        """Record that this attempt is followed by another."""
        why: Any = request.__cause__
        cause = why.metadata["outcome"].value if isinstance(why, dg.Failure) else type(why).__name__
        error = why.description if isinstance(why, dg.Failure) else str(why)
        facts = {"error": str(error)[:4000], **getattr(request, "facts", {"cause": cause})}
        self._status.write("asset_retried", self._asset, durable=True, **facts)
        self._tracked(lambda: self._tracker.finish(ok=False))

    def failed(self, error: BaseException) -> None:
        """Record that it is not made, and why."""
        outcome: Any = getattr(error, "outcome", None)
        # where Dagster itself cannot write, it only lets go of the step
        full = is_full(error) or reserve.was_needed(run_dir(self._home, self._run_id))
        cause = CAUSE if full else getattr(error, "cause", type(error).__name__)
        facts = {"cause": cause, "error": str(error)[:4000]}
        if outcome is not None and outcome.peak:
            facts["peak_memory_bytes"] = outcome.peak
        self._status.write("asset_failed", self._asset, durable=True, **facts)
        self._tracked(lambda: self._tracker.finish(ok=False))


def _epochs(count: int, last: float) -> str:
    return f"{count} epoch{'s' if count > 1 else ''}, the last one {last:g},"
