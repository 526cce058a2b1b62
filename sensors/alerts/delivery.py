"""Delivers an alert once: to a command, to a webhook, to a file, or to a service that apprise knows.

A command finds a line of JSON on its standard input, and a file gets one more line.

A webhook gets the alert as JSON by POST, with ``Blut-Timestamp`` (seconds since 1970) and
``Blut-Signature: v1=HEX``: HMAC-SHA256 over ``timestamp.body`` under the secret in the environment variable
that the settings name. A receiver should compare in constant time, refuse timestamps more than `SKEW_S` from
its clock, and drop an ``id`` that it has had: a delivery may come twice. Redirects are not followed.
"""

import errno
import fcntl
import hashlib
import hmac
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from blut_resources.containment import ContainmentError, Limits, launch
from blut_resources.containment.backends.base import LOG
from blut_resources.files.private import open_file
from blut_resources.text import one_line, output, variable
from blut_resources.web_call import call
from sensors.alerts import by_apprise
from sensors.alerts.alert import Alert
from sensors.alerts.settings import Hook, masked

SKEW_S = 300
ANSWER = 1 << 16
"""Bytes of an answer that are read: only its status counts."""
WORDS = 1500
"""Characters that are told of an alert as text: the least that a common service takes is 2000."""
TIMESTAMP, SIGNATURE = "Blut-Timestamp", "Blut-Signature"


class NotDelivered(Exception):
    """Says that nobody was told, and why, without secrets."""


def deliver(hook: Hook, alert: Alert) -> None:
    """Tell one hook, once.

    Raises:
        NotDelivered: the command failed, the webhook did not answer with 2xx, the service did not take it.
    """
    body = alert.model_dump_json().encode()
    try:
        if hook.command:
            _run(hook, body)
        elif hook.webhook:
            _post(hook, body)
        elif hook.file:
            _append(Path(hook.file).expanduser(), body + b"\n")
        else:
            _tell_service(hook, alert)
    except (OSError, ValueError, HTTPException, ContainmentError) as error:
        said = masked(one_line(error))
        raise NotDelivered(f"hook {hook.name}: {type(error).__name__}: {said}") from None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Returns ``v1=`` and the HMAC-SHA256 in hex."""
    digest = hmac.new(os.fsencode(secret), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def _post(hook: Hook, body: bytes) -> None:
    secret = os.environ.get(hook.secret_env)
    if not secret:
        raise NotDelivered(f"hook {hook.name}: ${hook.secret_env} is not set in this environment")
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "blut",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(secret, timestamp, body),
    }
    host = urllib.parse.urlsplit(hook.webhook).hostname  # the rest of a URL may be a secret
    try:
        call(urllib.request.Request(hook.webhook, body, headers, method="POST"), hook.timeout_s, ANSWER)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDelivered(f"hook {hook.name}: {host} answered {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise NotDelivered(f"hook {hook.name}: {host}: {one_line(reason)}") from None


def _append(path: Path, line: bytes) -> None:
    """Append a line as a whole or not at all, also after one that somebody left without its end."""
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            os.ftruncate(descriptor, end)
            raise


def _run(hook: Hook, body: bytes) -> None:
    alert = json.loads(body)
    names = ("event", "run", "job", "message", "by")
    told = {f"BLUT_ALERT_{name.upper()}": variable(alert[name]) for name in names}
    _run_with(hook, hook.command, body + b"\n", told)


def _tell_service(hook: Hook, alert: Alert) -> None:
    """Let apprise tell it in a process of its own, and read the URL, which may hold secrets, there."""
    url = hook.url or os.environ.get(hook.url_env)
    if not url:
        raise NotDelivered(f"hook {hook.name}: ${hook.url_env} is not set in this environment")
    where = f"{alert.asset}: {alert.check}: " if alert.check else ""
    run = f"\nrun {alert.run}" if alert.run else ""
    by = f"\nby {alert.by}" if alert.by and alert.run else ""
    given = {
        "url": url,
        "title": f"Blut: {alert.event}: {alert.job}",
        "body": f"{where}{alert.message[:WORDS]}{run}{by}\n{alert.at}",
    }
    _run_with(hook, [sys.executable, "-P", by_apprise.__file__], json.dumps(given).encode(), {})


def _run_with(hook: Hook, command: Sequence[str], given: bytes, told: Mapping[str, str]) -> None:
    """Run a program in a unit, which ends with everything that was started in it,
    also what has left its session.

    Args:
        given: its standard input.
        told: variables beside those of the daemon.
    """
    with tempfile.TemporaryDirectory(prefix="blut-alert-") as directory:
        place, file = Path(directory, "unit"), Path(directory, "alert.json")
        file.write_bytes(given)
        words = ["/bin/sh", "-c", 'exec "$@" <"$0"', str(file), *command]
        limits = Limits(backend="none", wall_clock_s=hook.timeout_s)
        env = {**os.environ, **told}
        with launch(words, env=env, limits=limits, place=place, name="alert", grace_s=0) as unit:
            outcome = unit.wait()
        if outcome.kind == "timeout":
            raise NotDelivered(f"hook {hook.name}: no end within {hook.timeout_s:g} s")
        if not outcome.ok:
            said = masked(output(_end_of(place / LOG).decode(errors="replace")).strip())
            raise NotDelivered(f"hook {hook.name}: {outcome.describe()}: {said}")


def _end_of(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 300))
        return file.read()
