"""Where the artifacts of a main job are: ``python -m bench.codec_made ARGS.json`` prints their paths as JSON.

They are looked up in the instance in $DAGSTER_HOME. Exit status 3: the job has not run with these args.
"""

import json
import sys
from pathlib import Path
from typing import Any

from blut_assets.history.planning import plan
from blut_resources.instance.instance import open_instance, store_of
from cookbooks.lamquant.recipes.joint_codec import JOINT_CODEC

MADE = ("lma_corpus", "split_manifest", "training_windows", "joint_checkpoint")
NOT_MADE = 3


def made_by(args: dict[str, Any]) -> dict[str, Path] | None:
    """Where the artifacts of a main job with these args are, if it has run."""
    with open_instance() as instance:
        planned = plan(instance, JOINT_CODEC.assets, JOINT_CODEC.configs(JOINT_CODEC.parse(args)))
        digests = {p.asset.split("/")[-1]: p.digest for p in planned if p.state in ("fresh", "reusable")}
        store = store_of(instance)
        return {n: store.open(str(digests[n])) for n in MADE} if digests.keys() >= set(MADE) else None


def main() -> None:
    """Entry point."""
    made = made_by(json.loads(Path(sys.argv[1]).read_text()))
    if made is None:
        sys.exit(NOT_MADE)
    print(json.dumps({name: str(path) for name, path in made.items()}))


if __name__ == "__main__":
    main()
