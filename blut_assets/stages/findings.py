"""Collects what comes to light while a result is computed:
what is shown of it, and whether it is reusable.
"""

import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_assets.pages.metadata import harmless
from blut_assets.stages import reuse
from blut_assets.stages.spec import StageSpec
from blut_resources.containment.sandbox.isolation import HELD, Held
from blut_resources.text import one_line


class Findings:
    """Collects what is found; ``warn`` is told why a result will not answer a later run.

    Attributes:
        shown: metadata of the materialization, harmless already.
        reusable: whether the result may answer a later run.
        gpus: how many GPUs its payloads were given at most.
        queued: seconds that its payloads have waited in the queue of a cluster.
        isolation: what held its isolated payloads; None if it had none.
        news: whether what became of it counts as a new version.
        messages: what payloads that know nothing of Blut have reported as custom messages.
    """

    def __init__(self, spec: StageSpec, warn: Callable[[str], None]) -> None:
        self._spec, self._warn = spec, warn
        self._name = spec.key.to_user_string()
        self.shown: dict[str, Any] = {}
        self.reusable = spec.memoised
        self.gpus, self.queued = 0, 0.0
        self.isolation: Held | None = None
        self.news = True
        self.messages: list[Any] = []

    def show(self, /, **metadata: Any) -> None:
        """Add metadata, made harmless: texts may be of strangers."""
        self.shown |= {one_line(name): harmless(value) for name, value in metadata.items()}

    def note_job(self, launched: Mapping[str, Any], *, ended: bool) -> None:
        """Note where a payload runs that is a job, and how long it has waited for that; of several the last
        place, and all the waits.
        """
        self.show(**{name: value for name, value in launched.items() if name != reuse.QUEUED})
        if ended:
            self.queued += launched[reuse.QUEUED]
            self.show(**{reuse.QUEUED: round(self.queued, 1)})

    def note_isolation(self, held: Held) -> None:
        """Note what holds an isolated payload; of several the weakest counts.

        Where nothing does, the result says so, and does not answer a run on a machine where something would.
        """
        if held == "none":
            self.reusable = False
            self._warn(
                f"{self._name}: nothing here can keep a process from the rest of the machine (neither"
                " Landlock nor user namespaces): isolation is `none`, and the result is not reused"
            )
        self.isolation = HELD[max(HELD.index(one) for one in (held, self.isolation or held))]

    def found_unheld(self, names: Sequence[str]) -> None:
        """Note that a payload has read inputs outside the store that nobody saw to be as digested."""
        self.reusable = False
        self._warn(
            f"{self._name}: {', '.join(names)}: lies outside the store and was read by a program without"
            " payload_session(), so nobody has seen that it was what was digested: the result is not reused"
        )

    def found_undeclared(self, module: str) -> None:
        """Note that a payload runs whose source is not a part of the code version."""
        if self.reusable:
            self.reusable = False
            self._warn(
                f"{self._name}: {module} is not among the payloads of its stage_asset, so its source is no"
                " part of the code version: the result is not reused. Add it to payloads=[...]"
            )

    def found_uncounted(self, path: Path) -> None:
        """Note that a payload has read a file of its own package that is not a part of the code version."""
        self.reusable = False
        beside = os.path.relpath(path, Path(inspect.getfile(self._spec.function)).absolute().parent)
        self._warn(
            f"{self._name}: the payload has read {one_line(path)}, which is no part of the code version: an"
            " edit of it would not be noticed, so the result is not reused. Declare it in its stage_asset:"
            f" data=[{json.dumps(one_line(beside))}]"
        )
