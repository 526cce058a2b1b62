"""Makes up rows, to see the whole of it work. Nothing that rests on them gets a serious name."""

import random
import re

PREFIX = "synthetic:"
EXAMPLE = f"{PREFIX}rows=600,seed=0"
CENTRES = {"round": (0.0, 0.0, 1.0), "flat": (2.5, 0.5, -1.0), "long": (0.5, 2.5, 0.0)}
SPREAD = 0.9
MOST_ROWS = 1_000_000


def synthetic_csv(name: str) -> bytes:
    """Returns a CSV file of three overlapping clouds of points; the same name gives the same bytes.

    Raises:
        ValueError: the name is not ``synthetic:rows=N,seed=S``.
    """
    found = re.fullmatch(PREFIX + r"rows=(\d+),seed=(\d+)", name)
    if not found or not 0 < int(found[1]) <= MOST_ROWS:
        raise ValueError(f"table = {name!r}: give {PREFIX}rows=N,seed=S, such as {EXAMPLE}")
    chance = random.Random(int(found[2]))  # noqa: S311 - seeded: to be repeated, not to be unpredictable
    lines = ["width,height,depth,shape"]
    for _ in range(int(found[1])):
        label = chance.choice(sorted(CENTRES))
        numbers = [f"{chance.gauss(centre, SPREAD):.4f}" for centre in CENTRES[label]]
        lines.append(",".join([*numbers, label]))
    return ("\n".join(lines) + "\n").encode()
