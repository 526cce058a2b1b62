"""What a real server of S3 makes of the second tier: ``python -m tests.remote_real``.

It boots OpenStack Swift with its S3 API, of Debian's packages, in namespaces of its own, asks of it what a
bucket has to do, and prints a line for each. Status 1 if it does not do that; what it may leave out is said.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blut_resources.remote.bucket import Bucket
from blut_resources.remote.tier import RemoteTier
from blut_resources.remote.words import RemoteError
from blut_resources.store.artifacts import ArtifactStore
from tests.buckets import KEYS, Server, Wire

PACKAGES = "swift-proxy swift-account swift-container swift-object"
INSIDE = "BLUT_TESTS_INSIDE"
PORT, PATIENCE_S, BIG = 18080, 180.0, 40 << 20
OWN = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}
SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {place}
devices = {place}/devices
mount_check = false
log_level = ERROR
[pipeline:main]
pipeline = {pipeline}
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


def main() -> int:
    """Boot it, ask it, print what it said."""
    if INSIDE not in os.environ:
        return _in_namespaces()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as place, swift(Path(place)) as server:
        return int(not all([*asked(server, Path(place))]))


def _in_namespaces() -> int:
    if not shutil.which("swift-proxy-server"):
        print(f"there is no Swift: apt-get install --no-install-recommends {PACKAGES}")
        return 2
    command = ["unshare", "--map-root-user", "--pid", "--net", "--mount", "--fork", "--kill-child"]
    own = [*command, sys.executable, "-m", "tests.remote_real"]
    return subprocess.run(own, env={**os.environ, INSIDE: "1"}, check=False).returncode


@contextmanager
def swift(place: Path) -> Iterator[Server]:
    """Run it with one bucket, ``bucket``."""
    (place / "devices" / "d1").mkdir(parents=True)
    (place / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
    )
    kinds = ["proxy", "account", "container", "object"]
    for port, kind in enumerate(kinds, PORT):
        front = "catch_errors cache s3api tempauth copy slo dlo "
        pipeline = f"{front if kind == 'proxy' else ''}{kind}-server"
        text = SERVER.format(port=port, place=place, kind=kind, pipeline=pipeline)
        (place / f"{kind}.conf").write_text(text + (PROXY if kind == "proxy" else ""))
        if kind != "proxy":
            for words in (
                ["create", "4", "1", "0"],
                ["add", f"r1z1-127.0.0.1:{port}/d1", "1"],
                ["rebalance"],
            ):
                ring = ["swift-ring-builder", f"{kind}.builder", *words]
                subprocess.run(ring, cwd=place, stdout=subprocess.DEVNULL, check=True)
    env = {**os.environ, "SWIFT_DIR": str(place)}
    started = [
        subprocess.Popen([f"swift-{kind}-server", place / f"{kind}.conf"], env=env, stdout=log, stderr=log)
        for kind in kinds
        for log in [(place / f"{kind}.log").open("w")]
    ]
    try:
        patience = time.monotonic() + PATIENCE_S
        while True:
            with suppress(Exception):
                _make_bucket()
                break
            assert time.monotonic() < patience, (place / "proxy.log").read_text()
            time.sleep(0.5)
        yield Server(PORT)
    finally:
        for process in started:
            process.kill()
            process.wait()


def _make_bucket() -> None:
    import boto3
    from botocore.config import Config

    once = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=20)
    keys = {
        "aws_access_key_id": OWN["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": OWN["AWS_SECRET_ACCESS_KEY"],
    }
    url = f"http://127.0.0.1:{PORT}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=once, **keys).create_bucket(
        Bucket="bucket"
    )


def asked(server: Server, place: Path) -> Iterator[bool]:
    """Yields of each thing that a bucket has to do whether it does it."""
    wire = Wire(server)
    os.environ.update({**KEYS, **wire.variables, **OWN})
    here, there = (
        RemoteTier(ArtifactStore(place / name), Bucket("s3://bucket/prefix")) for name in ("here", "there")
    )
    (place / "big").write_bytes(random.Random(1).randbytes(BIG))
    (place / "small").write_bytes(b"x")
    big, small = here.store.put(place / "big"), here.store.put(place / "small")
    heeds = here.opened()
    print(f"may   heeds If-None-Match: {'yes' if heeds else 'no: two that push at once both write the same'}")
    yield _says("a small artifact is pushed", lambda: here.push(small) == "sent")

    def cut_push() -> bool:
        wire.up, wire.cuts, wire.n_cut = 1 << 20, 2, 0
        return here.push(big) == "sent" and wire.n_cut == 2

    def cut_pull() -> bool:
        wire.up, wire.down, wire.n_cut = None, 1 << 20, 0
        there.pull(big)
        there.store.verify(big, full=True)
        wire.down = None
        return wire.n_cut == 2

    def flipped() -> bool:
        path = f"objects/{small[:2]}/{small}.tar"
        here.bucket.replace(path, (here.bucket.read(path) or b"").replace(b"x", b"y"))
        with suppress(RemoteError):
            there.pull(small)
            return False
        return not there.store.has(small)

    yield _says(f"{BIG >> 20} MiB are pushed in parts, over a connection that is cut twice", cut_push)
    yield _says("what is there is not sent again", lambda: here.push(big) == "there")
    yield _says("it is listed", lambda: there.digests().keys() == {big, small})
    yield _says("it is pulled in parts, over a connection that is cut twice", cut_pull)
    yield _says("a flipped byte is refused", flipped)
    for what, change, words in (
        ("a missing bucket", {}, "there is no such bucket"),
        (
            "a wrong secret",
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "access key and secret key do not belong together",
        ),
        ("an unknown key", {"AWS_ACCESS_KEY_ID": "nobody:else"}, "correct $AWS_ACCESS_KEY_ID"),
        ("another region", {"AWS_REGION": "eu-north-1"}, "the bucket is in another region"),
    ):
        yield _says(f"{what} is said with its remedy", lambda c=change, w=words: _refused(c, w))


def _refused(change: dict[str, str], words: str) -> bool:
    before = {name: os.environ[name] for name in change}
    os.environ.update(change)
    try:
        Bucket("s3://bucket/prefix" if change else "s3://nowhere/prefix").read("blut.json")
    except RemoteError as error:
        print(f"      {error}")
        return words in str(error)
    finally:
        os.environ.update(before)
    return False


def _says(what: str, does: Callable[[], bool]) -> bool:
    begun = time.monotonic()
    try:
        done, why = does(), ""
    except Exception as error:
        done, why = False, f": {error}"
    print(f"{'ok   ' if done else 'FAILS'} {what}, {time.monotonic() - begun:.1f} s{why}", flush=True)
    return done


if __name__ == "__main__":
    sys.exit(main())
