"""A training that goes on from its state, and that ends early as a file tells it to.

The file is JSON, read anew by each attempt: ``losses`` by epoch, ``saves`` up to which epoch it writes a
state, ``ends_after`` which one it is killed, ``again`` what it measures before its first epoch, ``forgets``
whether it leaves its state alone.
"""

import json
import os
import signal
from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        how = json.loads(Path(session.config["script"]).read_text())
        state = session.work / "state.json"
        begin = 0 if how.get("forgets") or not state.exists() else json.loads(state.read_text())
        if "again" in how:
            session.epoch(0, loss=how["again"])
        for epoch in range(begin + 1, len(how["losses"]) + 1):
            session.epoch(epoch, loss=how["losses"][epoch - 1], **how.get("besides", {}))
            if epoch <= how.get("saves", epoch):
                state.write_text(json.dumps(epoch))
                session.checkpoint(epoch, state)
            if epoch == how.get("ends_after"):
                os.kill(os.getpid(), signal.SIGKILL)
        session.done(epochs=len(how["losses"]))


if __name__ == "__main__":
    main()
