"""A payload that goes on from its checkpoint, and whose first attempts meet what may pass, or what does not.

``fails`` says in which way each attempt ends, in their order: a count of attempts is kept in ``work``.
"""

import errno
import json
import os
import urllib.error
import urllib.request

from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session


def main() -> None:
    with payload_session() as session:
        kept = session.work / "kept.json"
        epoch, attempt = json.loads(kept.read_text()) if kept.exists() else (0, 0)
        fails = session.config["fails"]
        for number in range(epoch, session.config["epochs"]):
            session.epoch(number + 1, loss=1.0)
            kept.write_text(json.dumps([number + 1, attempt + 1]))
            if attempt < len(fails):
                _fail(fails[attempt], session)
        (session.out / "model").write_text(f"{session.config['epochs']}")
        session.done(attempts=attempt + 1)


def _fail(how: str, session: PayloadSession) -> None:
    if how.startswith("http"):
        try:
            urllib.request.urlopen(how, timeout=5)
        except OSError as error:
            raise Refused(f"{how}: no such model") from error
    elif how == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(session.out / "model"))
    elif how == "killed":
        os.kill(os.getpid(), 9)
    else:
        raise {"reset": ConnectionResetError(errno.ECONNRESET, "reset"), "bad": ValueError("no")}[how]


if __name__ == "__main__":
    main()
