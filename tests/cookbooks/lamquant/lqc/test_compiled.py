"""What is compiled is kept on disk, and not what an older version of a callee was compiled into."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cookbooks.lamquant.lqc import compiled

CALLER = "from compiled import jit\nfrom callee import two\n@jit\ndef f(x):\n    return x + two()\n"
CALLEE = "from compiled import jit\n@jit\ndef two():\n    return {}\n"


def test_a_changed_callee_is_compiled_into_its_caller_again(tmp_path):
    shutil.copy(compiled.__file__, tmp_path / "compiled.py")
    (tmp_path / "caller.py").write_text(CALLER)

    def run(value: int) -> tuple[int, int]:
        (tmp_path / "callee.py").write_text(CALLEE.format(value))
        code = "from caller import f; print(f(1), sum(f.stats.cache_hits.values()))"
        said = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=tmp_path,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
        )
        result, hits = said.stdout.split()
        return int(result), int(hits)

    assert run(2) == (3, 0)
    assert run(2) == (3, 1)
    assert run(7) == (8, 0)


def started(code: str, folder: Path) -> str:
    """What a process prints that has ``caller`` beside it, and keeps compiled code there."""
    said = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=folder,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder / "kept")},
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(compiled.__file__, tmp_path / "compiled.py")
    (tmp_path / "caller.py").write_text("from compiled import jit\n@jit\ndef f(x):\n    return x + 2\n")
    return tmp_path


def test_a_full_disk_costs_only_that_it_is_compiled_again(folder: Path) -> None:
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from caller import f; "
    assert started(full + "print(f(1))", folder) == "3"
    again = "from caller import f; print(f(1), sum(f.stats.cache_hits.values()))"
    assert started(again, folder) == "3 0"
    assert started(again, folder) == "3 1"


def test_no_two_processes_keep_what_they_compiled_at_once(folder: Path) -> None:
    code = (
        "import fcntl\nfrom caller import f\nindexed = f._cache._cache_file._save_index\n"
        "def look(overloads):\n"
        "    with open(f._cache.cache_path + '/.lock', 'ab') as lock:\n"
        "        try:\n            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "            print('free')\n"
        "        except BlockingIOError:\n            print('taken')\n"
        "    indexed(overloads)\n"
        "f._cache._cache_file._save_index = look\nf(1)"
    )
    assert started(code, folder) == "taken"
    assert started("from caller import f; f(1); print(sum(f.stats.cache_hits.values()))", folder) == "1"


def test_no_file_is_read_that_is_not_loaded():
    # a result is not reused that was computed with a file which no code version knows
    code = (
        "import sys\nread = set()\n"
        "sys.addaudithook(lambda event, args: read.add(str(args[0])) if event == 'open' else None)\n"
        "import cookbooks.lamquant.lqc.encode, cookbooks.lamquant.lqc.decode\n"
        "loaded = {getattr(module, '__file__', None) for module in list(sys.modules.values())}\n"
        "print([path for path in read - loaded if '/lqc/' in path and path.endswith('.py')])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


def test_nothing_is_compiled_but_here():
    # numba's own cache does not know when a callee has changed
    package = Path(compiled.__file__).parent
    others = [path for path in package.rglob("*.py") if path.name != "compiled.py"]
    assert len(others) > 20
    assert [path.name for path in others if "numba" in path.read_text().partition('"""\n')[2]] == []
