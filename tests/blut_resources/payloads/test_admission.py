"""What a run says while it waits: enough, and no flood."""

import contextlib
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from blut_resources.leases.lease import Lease, Needs
from blut_resources.payloads import admission

WAITS = [f"waiting for 1 CPU: held by {n}" for n in range(20)]
SHORT = "1 GiB are leased, but less is available; starting anyway"


def changes(*_: Any, on_wait: Callable[[str], None], **__: Any) -> Any:
    """A lease that others change all the time."""

    @contextlib.contextmanager
    def granted() -> Iterator[Lease]:
        for text in (*WAITS, SHORT):
            on_wait(text)
            time.sleep(0.05)
        yield Lease(None)

    return granted()


def test_a_wait_is_said_at_its_start_now_and_then_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "lease", changes)
    monkeypatch.setattr(admission, "QUIET_S", 0.3)
    said, tags = list[str](), list[str]()
    monkeypatch.setattr(admission, "say_waiting", lambda _, __, text: tags.append(text))
    context: Any = SimpleNamespace(instance=None, log=SimpleNamespace(info=said.append))
    with admission.admitted(context, "r", "a/b", Needs(cpus=1)):
        pass
    assert said[0] == f"a/b: {WAITS[0]}"
    assert said[-2] == f"a/b: {SHORT}" and said[-1].startswith("a/b: has waited for ")
    assert 4 <= len(said) <= 5, "at 0 s, 0.3 s and, if at all, at 0.9 s"
    assert tags[:-1] == [*WAITS, SHORT] and tags[-1].startswith("no more")
