"""Limits the processes of a unit one by one, which is better than nothing where there is no cgroup."""

from __future__ import annotations

import resource
from typing import Any

from blut_resources.containment.backends.bare import Bare
from blut_resources.containment.backends.base import BackendError, Request, waiting_payload


class Rlimit(Bare):
    """Lets each process have so much writable memory of its own; ten of them may have ten times that.

    It is the data size that is limited, not the address space: CUDA reserves hundreds of GiB of the latter.
    """

    name = "rlimit"

    def prepare(self, request: Request) -> dict[str, Any]:
        limit = request.limits.memory_max
        return {**super().prepare(request), "rlimits": {"RLIMIT_DATA": limit} if limit else {}}

    def memory_max(self, pid: int, request: Request) -> int | None:
        payload = waiting_payload(request)
        if payload is None:
            raise BackendError("no process waits to become the payload")
        soft, _ = resource.prlimit(payload, resource.RLIMIT_DATA)
        return None if soft == resource.RLIM_INFINITY else soft
