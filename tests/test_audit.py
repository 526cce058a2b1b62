"""`make audit` looks up every pinned package; an advisory, or a package nobody answers for, fails it."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
# the form in which osv.dev answers, with a package of constraints.txt in the place of the affected one
ADVISORY = {
    "id": "PYSEC-0000-1",
    "summary": "Templates run as code",
    "modified": "2026-01-02T00:00:00Z",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """A recorded advisory service."""

    answers: ClassVar[dict[str, Any]] = {}
    refused: ClassVar[str] = ""

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        body = json.dumps(self.answers.get(name, {})).encode()
        self.send_response(503 if name == self.refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not on the terminal."""


@pytest.fixture
def service() -> Iterator[str]:
    """The address of the service; it knows of nothing at first."""
    Advisories.answers, Advisories.refused = {}, ""
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def _audit(url: str, home: Path) -> tuple[int, str]:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "XDG_CACHE_HOME": str(home)}
    found = subprocess.run(
        ["make", "audit", f"AUDIT_SERVICE=--vulnerability-service osv --osv-url {url}"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


def test_pinned_packages_without_an_advisory_pass(service: str, tmp_path: Path) -> None:
    status, said = _audit(service, tmp_path)
    assert (status, "No known vulnerabilities found" in said) == (0, True), said


def test_an_advisory_on_a_pinned_package_fails_and_is_named(service: str, tmp_path: Path) -> None:
    Advisories.answers = {"jinja2": {"vulns": [ADVISORY]}}
    status, said = _audit(service, tmp_path)
    assert status != 0 and "PYSEC-0000-1" in said and "99.0" in said, said


def test_a_package_that_could_not_be_looked_up_fails(service: str, tmp_path: Path) -> None:
    Advisories.refused = "pyyaml"
    assert _audit(service, tmp_path)[0] != 0
