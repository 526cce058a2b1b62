"""Two boxes write the registry of one store at once: one history, and no line lost."""

import sys
from pathlib import Path

from blut_resources.registry.models import ModelRegistry
from tests import elsewhere
from tests.boxes.box import Box

REGISTER = """
import sys
from pathlib import Path
from blut_resources.registry.models import ModelRegistry
registry, box = ModelRegistry(Path(sys.argv[1])), sys.argv[2]
for number in range(25):
    registry.register(
        "codec", candidate=f"{box}{number:02d}".ljust(64, "0"), inputs={}, verdict="b" * 64, passed=True,
        floors=(), figures={}, license="MIT", run=f"{box}-{number}",
    )
"""


def test_what_two_boxes_register_at_once_is_all_there(tmp_path: Path) -> None:
    elsewhere.demand()
    root = tmp_path / "registry"
    made = [Box(tmp_path / name, f"box{name}") for name in ("a", "b")]
    code = [sys.executable, "-c", REGISTER, str(root)]
    working = [box.start([*code, box.name[-1]]) for box in made]
    said = [process.communicate(timeout=60)[0] for process in working]
    assert [process.returncode for process in working] == [0, 0], said
    found = list(ModelRegistry(root).version_log("codec").read())
    assert [one.version for one in found] == list(range(1, 51))
    assert {one.run for one in found} == {f"{box}-{number}" for box in "ab" for number in range(25)}
