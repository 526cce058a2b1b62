"""Reports what numeric libraries find in its environment, and what is leased meanwhile."""

import os

from blut_resources.leases.lease import holders
from blut_resources.payload_kit.session import payload_session

TOLD = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")


def main() -> None:
    with payload_session() as session:
        (session.out / "nothing").touch()
        own = [claim.needs for claim in holders() if claim.holder["asset"] == session.config["asset"]]
        leased = {name: sum(getattr(needs, name) for needs in own) for name in ("cpus", "network", "disk")}
        session.done(**leased, told=[os.environ.get(name, "") for name in TOLD])


if __name__ == "__main__":
    main()
