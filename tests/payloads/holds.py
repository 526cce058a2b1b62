"""Takes as much memory as its config says, and reports what was leased for it meanwhile."""

from blut_resources.leases.lease import holders
from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        taken = bytearray(session.config["mib"] << 20)
        taken[::4096] = b"x" * len(taken[::4096])
        (session.out / "taken").write_text(str(len(taken)))
        session.done(leased=sum(claim.needs.memory for claim in holders()))


if __name__ == "__main__":
    main()
