"""``python -m`` this with a JSON argument: it owns a unit until it is killed, or the unit has ended."""

import json
import os
import sys
from pathlib import Path

from blut_resources.containment import ContainmentError
from tests.blut_resources.containment.units import start


def main() -> None:
    place, command, options = json.loads(sys.argv[1])
    cgroup = options.pop("cgroup", None)
    if cgroup:
        Path(cgroup, "cgroup.procs").write_text(str(os.getpid()))
    if "lease" in options:
        import fcntl

        held = os.open(options["lease"], os.O_RDWR | os.O_CREAT)
        fcntl.flock(held, fcntl.LOCK_SH)
        options["lease"] = Path(options["lease"])
    try:
        unit = start(Path(place), command, **options)
    except ContainmentError as error:
        print("refused", flush=True)
        print(error)
        return
    print("up", flush=True)
    with unit:
        outcome = unit.wait()
        print(json.dumps({**outcome.as_metadata(), **unit.enforcement.as_metadata()}))


if __name__ == "__main__":
    main()
