"""Takes memory and holds it, and reports when."""

import time

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        began = time.time()
        taken = bytearray(session.config["mib"] << 20)
        taken[::4096] = b"x" * len(taken[::4096])
        time.sleep(session.config["hold_s"])
        (session.out / "taken").write_text(str(len(taken)))
        session.done(when=[began, time.time()])


if __name__ == "__main__":
    main()
