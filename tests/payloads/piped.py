"""An ordinary Dagster Pipes script, as any project has them; its extras say how it behaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dagster_pipes import open_dagster_pipes

DEAF = "import os, signal, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"


def main() -> None:
    with open_dagster_pipes() as pipes:
        how = pipes.extras.get("config", pipes.extras)
        pipes.log.info(how.get("says", "at work"))
        if "start" in how:
            child = subprocess.Popen([sys.executable, "-I", "-S", "-c", DEAF])
            Path(how["start"]).write_text(json.dumps([os.getpid(), child.pid]))
        for number in range(how.get("messages", 0)):
            pipes.report_custom_message({"number": number, "filler": "x" * how["size"]})
        if "mib" in how and not Path(how.get("spared_by", "/nonexistent")).exists():
            if "spared_by" in how:
                Path(how["spared_by"]).touch()
            kept = [bytearray(4 << 20) for _ in range(how["mib"] // 4)]
            del kept
        if how.get("line"):
            with Path(pipes_file()).open("a") as messages:
                messages.write(how["line"])
        if how.get("leaves"):
            os._exit(0)
        if how.get("hangs"):
            time.sleep(300)
        if how.get("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        if how.get("reads"):
            Path(__file__).with_name("-".join(["swapped.py"])).read_text()  # nothing finds that before
        if how.get("epochs"):
            for epoch in range(how["epochs"]):
                metrics = {"loss": 1.0 / (epoch + 1)}
                pipes.report_custom_message({"event": "epoch", "epoch": epoch, "metrics": metrics})
        if how.get("stops"):  # an op has no assets to report on
            return
        if "out" in pipes.extras:
            Path(pipes.extras["out"], "model").write_text("a model")
        for name, passed in how.get("checks", {}).items():
            pipes.report_asset_check(name, passed=passed, severity="WARN", metadata={"rows": 3})
        facts = {"rows": 7, "threads": int(os.environ.get("OMP_NUM_THREADS", 0))}
        pipes.report_asset_materialization(
            metadata={**facts, "seen": os.environ.get("CUDA_VISIBLE_DEVICES", "all"), "outcome": "mine"},
            data_version="v7",
        )
        print("printed")


def pipes_file() -> str:
    import base64
    import zlib

    return json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))["path"]


if __name__ == "__main__":
    main()
