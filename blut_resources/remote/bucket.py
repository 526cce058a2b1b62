"""Reads and writes the objects of one bucket, and says in words what it refuses."""

import contextlib
from collections.abc import Iterator

from blut_resources.remote.address import open_address
from blut_resources.remote.words import RemoteDamaged, explained, is_absent

PART = 8 << 20
"""Bytes that one request carries; more where there would be more parts than a server takes."""
PARTS = 9000
AT_ONCE = 4


class Bucket:
    """Holds the objects under an address. Making one asks nobody.

    Attributes:
        url: such as ``s3://bucket/prefix``.
    """

    def __init__(self, url: str, *, insistent: bool = True) -> None:
        """Open the bucket; raises as `open_address`."""
        self.url = url.rstrip("/") if not url.endswith("///") else url
        self._objects = open_address(url, insistent=insistent)
        self._heeds = True

    def read(self, path: str) -> bytes | None:
        """Returns a small object; None where there is none. Raises RemoteError."""
        with self._told(path, absent=True):
            return bytes(self._objects.get(path).bytes())
        return None

    def size_of(self, path: str) -> int | None:
        """Returns the bytes of an object; None where there is none. Raises RemoteError."""
        with self._told(path, absent=True):
            return int(self._objects.head(path)["size"])
        return None

    def add(self, path: str, data: bytes) -> bool:
        """Write a small object unless there is one; says whether there was none. Raises RemoteError.

        A server that does not heed ``If-None-Match`` says so every time, and writes.
        """
        from obstore.exceptions import AlreadyExistsError

        with self._told(path):
            try:
                self._objects.put(path, data, mode="create" if self._heeds else "overwrite")
            except AlreadyExistsError:
                return False
            except Exception as error:
                if "NotImplemented" not in str(error):
                    raise
                self._heeds = False
                self._objects.put(path, data)
        return True

    def replace(self, path: str, data: bytes) -> None:
        """Write a small object, whatever is there. Raises RemoteError."""
        with self._told(path):
            self._objects.put(path, data)

    def upload(self, path: str, chunks: Iterator[bytes], size: int) -> None:
        """Write an object out of chunks, which is seen whole or not at all. Raises RemoteError.

        What the chunks raise is raised as it is.
        """
        with self._told(path):
            if size <= PART:
                self._objects.put(path, b"".join(chunks))
                return
            part = max(PART, -(-size // PARTS))
            self._objects.put(path, chunks, chunk_size=part, max_concurrency=AT_ONCE)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yields an object part by part: where a connection is cut, the part is asked for again.

        Raises:
            RemoteDamaged: there is none, or it was replaced meanwhile.
            RemoteError: the bucket does not answer.
        """
        with self._told(path, absent=True):
            head = self._objects.head(path)
            for start in range(0, head["size"], PART):
                options = {"range": (start, min(start + PART, head["size"])), "if_match": head["e_tag"]}
                yield bytes(self._objects.get(path, options=options).bytes())
            return
        raise RemoteDamaged(f"{self.url}/{path}: is not there although its manifest is")

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields path and size of the objects below a prefix that ends a name. Raises RemoteError."""
        with self._told(prefix):
            for page in self._objects.list(prefix):
                for one in page:
                    yield one["path"], one["size"]

    @contextlib.contextmanager
    def _told(self, path: str, *, absent: bool = False) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            if getattr(error, "errno", None) is not None:  # of a file on this machine
                raise
            if not (absent and is_absent(error)):
                raise explained(error, f"{self.url}/{path}") from error
