"""What people bring is opened as a regular file, or refused by name at once."""

import os
import socket
from pathlib import Path

import pytest

from blut_resources.files.foreign import NotRegular, TooLarge, open_regular, read_regular


def test_what_is_no_file_is_refused_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    pipe, link, channel = tmp_path / "pipe.edf", tmp_path / "zero.edf", tmp_path / "socket.edf"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(channel))
        for path, kind in (
            (pipe, "a named pipe"),
            (link, "a device"),
            (channel, "a socket"),
            (tmp_path, "a dir"),
        ):
            with pytest.raises(NotRegular, match=f"{path.name}: {kind}"):
                open_regular(path)


def test_a_file_is_read_up_to_its_bound_and_never_beyond(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(TooLarge, match=r"card.yaml: 5 bytes, of 4 at most; name a smaller file"):
        read_regular(path, 4)
    assert open_regular(path).read() == b"12345"
    endless = Path("/proc/self/maps")  # says that it has no bytes at all
    with pytest.raises(TooLarge):
        read_regular(endless, 100)
