"""The files that are to begin first are those of the tree: one that has moved would begin last."""

from tests.conftest import LONGEST, REPOSITORY


def test_each_file_that_is_to_begin_first_is_there() -> None:
    assert [name for name in LONGEST if not (REPOSITORY / "tests" / name).exists()] == []
    assert len(set(LONGEST)) == len(LONGEST)
