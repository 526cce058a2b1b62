"""A training whose losses are what its config says; ``"nan"`` and ``"inf"`` are none."""

import time

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        for epoch, loss in enumerate(map(float, session.config["losses"]), 1):
            session.epoch(epoch, step=10 * epoch, loss=loss)
        time.sleep(session.config["lingers"])
        session.done(epochs=len(session.config["losses"]))


if __name__ == "__main__":
    main()
