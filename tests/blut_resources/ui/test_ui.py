"""`blut ui` at a real port: who has no token, is of another page or asks by another name is refused."""

import contextlib
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from blut_resources.machine.processes import descendants, start_time
from blut_resources.ui.guard import only_reads
from tests.databases import shipped
from tests.e2e.scene import until

pytestmark = pytest.mark.e2e
TINY = "import dagster as dg\n\n@dg.asset\ndef tiny(): return 1\n\ndefs = dg.Definitions([tiny])\n"
LAUNCH = "mutation { launchRun(executionParams: {}) { __typename } }"
JSON = {"Content-Type": "application/json"}


class Served:
    """A `blut ui` of its own home, over TCP or a Unix socket."""

    def __init__(self, root: Path, *words: str) -> None:
        (root / "tiny.py").write_text(TINY)
        (root / "workspace.yaml").write_text(f"load_from: [python_file: {root / 'tiny.py'}]\n")
        (root / "home").mkdir()
        (root / "home" / "dagster.yaml").write_text(shipped())
        blut = Path(sys.executable).with_name("blut")
        self.said = root / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(blut), "ui", "-w", str(root / "workspace.yaml"), *words],
                env={**os.environ, "DAGSTER_HOME": str(root / "home")},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            )
        self.token = until(lambda: re.search(r"token=(\S+?)\)?\s", self.said.read_text()), 120, self.process)[
            1
        ]
        found = re.search(r"http://127.0.0.1:(\d+)/", self.said.read_text())
        self.port = int(found[1]) if found else 0
        self.tree = {self.process.pid, *descendants(self.process.pid)}

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> http.client.HTTPResponse:
        """The answer, with its text in ``text``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**(headers or {})})
            answer = connection.getresponse()
            answer.text = answer.read().decode()  # type: ignore[attr-defined]
            return answer

    def query(self, headers: Mapping[str, str], query: str = "{ version }") -> Any:
        """The answer to a query that is posted as the UI does it."""
        return self.ask("POST", "/graphql", {**JSON, **headers}, json.dumps({"query": query}))

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def cookie(self) -> dict[str, str]:
        """What a browser sends after the printed link."""
        answer = self.ask("GET", f"/?token={self.token}")
        return {"Cookie": (answer.getheader("set-cookie") or "").partition(";")[0]}

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(60)
        until(lambda: not any(start_time(pid) for pid in self.tree), 60)
        return status


@contextlib.contextmanager
def serving(root: Path, *words: str) -> Iterator[Served]:
    served = Served(root, *words)
    try:
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(served.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ui"), "--port", "0") as served:
        yield served


@pytest.mark.parametrize(
    "path", ["/", "/graphql?query={version}", "/favicon.png", "/logs/a.out", "/server_info"]
)
def test_without_the_token_nothing_is_given_out(ui: Served, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "blut_ui=x"}):
        answer: Any = ui.ask("GET", path, headers)
        assert answer.status == 401 and "the link that `blut ui` printed" in answer.text
    assert ui.ask("GET", "/?token=wrong").status == 401
    assert ui.query({}).status == 401


def test_the_link_lets_a_browser_in_and_is_not_kept(ui: Served) -> None:
    answer: Any = ui.ask("GET", f"/assets?token={ui.token}&view=graph")
    assert (answer.status, answer.getheader("location")) == (303, "/assets?view=graph")
    cookie = answer.getheader("set-cookie")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    page: Any = ui.ask("GET", "/assets", ui.cookie())
    assert page.status == 200 and "<html" in page.text and ui.token not in page.text
    assert page.getheader("x-frame-options") == "DENY" and page.getheader("referrer-policy") == "same-origin"
    assert "frame-ancestors 'none'" in page.getheader("content-security-policy")
    assert json.loads(ui.query(ui.cookie()).text)["data"]["version"]
    elsewhere: Any = ui.ask("GET", f"//evil.example/?token={ui.token}")
    assert elsewhere.getheader("location").startswith("/evil.example")


HOSTILE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost@evil.example"},
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_a_page_elsewhere_is_refused_with_a_browser_that_is_let_in(
    ui: Served, hostile: dict[str, str]
) -> None:
    headers = {**ui.cookie(), **hostile}
    assert ui.query(headers).status == 403
    assert ui.ask("GET", "/graphql?query={version}", headers).status == 403
    assert ui.ask("GET", f"/?token={ui.token}", headers).getheader("set-cookie") is None


def test_the_names_of_the_loopback_are_known(ui: Served) -> None:
    for host in ("localhost", f"LOCALHOST:{ui.port}", "[::1]:3000", "127.0.0.1"):
        assert ui.query({**ui.bearer, "Host": host, "Origin": f"http://{host}"}).status == 200


@pytest.mark.parametrize(
    "given",
    [
        {"query": LAUNCH},
        {
            "query": f"query ask {{ version }} {LAUNCH.replace('mutation', 'mutation go')}",
            "operationName": "go",
        },
        {
            "query": f"query ask {{ version }} {LAUNCH.replace('mutation', 'mutation go')}",
            "operationName": "ask",
        },
        {"query": "subscription { pipelineRunLogs(runId: 1) { __typename } }"},
        {"query": ["{ version }", LAUNCH]},
        {"query": f"#\n{LAUNCH}"},
        {"query": "{" * 5000},
    ],
    ids=str,
)
def test_get_changes_nothing(ui: Served, given: dict[str, Any]) -> None:
    query = urllib.parse.urlencode(given, doseq=True)
    for path in ("/graphql", "/%67raphql"):
        answer: Any = ui.ask("GET", f"{path}?{query}", ui.bearer)
        assert answer.status == 405 and "GET only asks" in answer.text
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert ui.ask("POST", f"/graphql?{query}", {**ui.bearer, "Content-Type": kind}).status == 415


def test_a_query_may_be_asked_for_by_get() -> None:
    assert only_reads("query a { version } query b { version } fragment f on Query { version }")
    assert not only_reads("{ version } mutation { a }")


def test_files_are_not_read_by_path(ui: Served, tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    for path in ("/notebook", "/dagit/notebook"):
        answer: Any = ui.ask("GET", f"{path}?repoLocName=x&path={tmp_path}/a.ipynb", ui.bearer)
        assert answer.status == 404 and "notebooks" in answer.text
    assert ui.ask("GET", "/logs/../../../etc/passwd", ui.bearer).status != 200


def test_a_websocket_needs_the_token_and_no_other_page(ui: Served) -> None:
    place, kept = f"ws://127.0.0.1:{ui.port}/graphql", ui.cookie()
    own, other = f"http://127.0.0.1:{ui.port}", "https://evil.example"
    for headers, origin in (({}, own), ({}, None), (kept, other), (kept, "null")):
        with pytest.raises(InvalidStatus, match="403"):
            connect(place, additional_headers=headers, origin=origin, subprotocols=["graphql-ws"])  # type: ignore[arg-type]
    for headers, origin in ((kept, own), (ui.bearer, None)):
        with connect(place, additional_headers=headers, origin=origin, subprotocols=["graphql-ws"]) as socket:  # type: ignore[arg-type]
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(60)) == {"type": "connection_ack"}


def test_a_name_that_no_encoding_can_write_still_comes(ui: Served) -> None:
    asked = {"query": "query ($id: ID!) { runOrError(runId: $id) { ... on Error { message } } }"}
    body = json.dumps({**asked, "variables": {"id": "\udcff"}})
    answer: Any = ui.ask("POST", "/graphql", {**JSON, **ui.bearer}, body)
    assert answer.status in (200, 500) and "\\udcff" in answer.text and json.loads(answer.text)


def test_one_port_listens_and_the_token_is_nowhere_else(ui: Served) -> None:
    tcp, unix = listening(ui.tree)
    assert tcp == [ui.port]
    assert unix
    for folder in (Path(path).parent for path in unix):
        assert folder.name.startswith("blut-ui-") and stat.S_IMODE(folder.stat().st_mode) == 0o700
    for pid in ui.tree:
        for file in ("cmdline", "environ"):
            assert ui.token not in Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
    assert ui.said.read_text().count(ui.token) == 1


def test_sigterm_ends_all_that_it_started(ui: Served) -> None:
    assert len(ui.tree) > 1 and ui.end(signal.SIGTERM) == 0


def test_a_socket_of_ones_own_in_place_of_a_port(tmp_path: Path) -> None:
    place = tmp_path / "ui.sock"
    with serving(tmp_path, "--socket", str(place)) as served:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600 and listening(served.tree)[0] == []
        curl = ["curl", "-s", "--unix-socket", str(place), "-H", f"Authorization: Bearer {served.token}"]
        body = [*(f"-H{name}: {value}" for name, value in JSON.items()), "-d", '{"query": "{ version }"}']
        done = subprocess.run([*curl, *body, "http://localhost/graphql"], capture_output=True, text=True)
        assert json.loads(done.stdout)["data"]["version"]
        assert served.end(signal.SIGHUP) == 0 and not place.exists()


def listening(pids: set[int]) -> tuple[list[int], list[str]]:
    """TCP ports and paths of Unix sockets that processes listen on."""
    held = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                held.add(str(link.readlink()))
    tcp = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                tcp.append(int(fields[1].rpartition(":")[2], 16))
    unix = []
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "00010000" and f"socket:[{fields[6]}]" in held and len(fields) > 7:
            unix.append(fields[7])
    return tcp, unix
