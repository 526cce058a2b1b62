"""What a server refuses is said in words, with what to do."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from blut_resources.remote.bucket import PART, Bucket
from blut_resources.remote.words import RemoteError
from tests.buckets import Server

ANSWERS = {
    "no rights": (403, "AccessDenied", "the credentials have no right to that"),
    "no rights, without a word": (403, "", "the credentials have no right to that"),
    "unknown key": (
        403,
        "InvalidAccessKeyId",
        "the server does not know the access key: correct $AWS_ACCESS_KEY",
    ),
    "wrong secret": (403, "SignatureDoesNotMatch", "access key and secret key do not belong together"),
    "expired": (400, "ExpiredToken", "the session token has expired: log in again"),
    "wrong clock": (403, "RequestTimeTooSkewed", "this machine's clock differs too much from the server's"),
    "other region": (301, "PermanentRedirect", "the bucket is in another region: set $AWS_REGION"),
    "region, signed": (400, "AuthorizationHeaderMalformed", "the bucket is in another region"),
    "no bucket": (404, "NoSuchBucket", "there is no such bucket: make it, or correct $BLUT_REMOTE"),
    "quota": (403, "QuotaExceeded", "the quota of the bucket is used up"),
    "something else": (418, "Teapot", "short and stout"),
}


@pytest.fixture
def refuses() -> Iterator[tuple[Server, dict[str, tuple[int, str]]]]:
    """A server that answers each request with one error; if told so, takes puts that set no condition."""
    how: dict[str, tuple[int, str]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "If-None-Match" not in self.headers and "plain" in how:
                self.send_response(200)
                self.send_header("ETag", '"x"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.do_GET()

        def do_GET(self) -> None:
            status, code = how["how"]
            body = (
                f"<Error><Code>{code}</Code><Message>short and stout</Message></Error>".encode()
                if code
                else b""
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Server(server.server_address[1]), how
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("case", ANSWERS)
def test_each_refusal_has_its_remedy(
    refuses: tuple[Server, dict[str, tuple[int, str]]], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On reading, writing and listing alike; and the secret is in none of them."""
    server, how = refuses
    status, code, words = ANSWERS[case]
    how["how"] = (status, code)
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    bucket = Bucket("s3://bucket/prefix")
    for ask in (
        lambda: bucket.read("one"),
        lambda: bucket.add("one", b"1"),
        lambda: bucket.upload("one", iter([b"1"]), 1),
        lambda: bucket.upload("one", iter([b"1"]), PART + 1),
        lambda: list(bucket.names("objects")),
    ):
        with pytest.raises(RemoteError) as found:
            ask()
        text = str(found.value)
        assert text.startswith("s3://bucket/prefix/") and words in text, text
        assert "Debug source" not in text and "secret" not in text.replace("secret key", "")


def test_a_server_that_knows_no_condition_is_written_to_all_the_same(
    refuses: tuple[Server, dict[str, tuple[int, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so by 501, and not each time that it is asked."""
    server, how = refuses
    how |= {"how": (501, "NotImplemented"), "plain": (200, "")}
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    bucket = Bucket("s3://bucket/prefix", insistent=False)
    assert bucket.add("one", b"1") and bucket.add("one", b"1")
