#!/bin/sh
# Makes 7335f91.tar.xz: an instance directory that the code of commit 7335f91, and no other, has written.
#
#   tests/homes/make_7335f91.sh [ENVIRONMENT]
#
# ENVIRONMENT is a virtual environment with what that commit depends on; without it one is made with pip.
# Everything happens in /tmp/blut-7335f91, which is in the paths that the home remembers, and which goes.
set -eu
commit=7335f91 here=$(cd "$(dirname "$0")" && pwd) work=/tmp/blut-7335f91
rm -rf "$work" && mkdir "$work" && cd "$work"
trap 'rm -rf "$work"' EXIT
git clone -q --no-checkout "$here/../.." blut && git -C blut checkout -q --detach "$commit"
if [ $# -gt 0 ]; then
    ln -s "$(realpath "$1")" venv
else
    python3 -m venv venv
    venv/bin/pip install -q -c blut/constraints.txt -e 'blut[lamquant,observability]'
fi
unset BLUT_STORE BLUT_LOGGER XDG_CONFIG_HOME XDG_DATA_HOME VIRTUAL_ENV
export PYTHONPATH="$work/blut" DAGSTER_HOME="$work/home" HOME="$work" TMPDIR="$work" OMP_NUM_THREADS=1
export BLUT_LEASES="$work/leases" BLUT_TRAIN_POLICY="$work/train-policy.toml" PYTHONDONTWRITEBYTECODE=1
blut() { venv/bin/python -c "from blut_assets.cli import main; main()" "$@" >>log 2>&1; }

venv/bin/python - <<'PYTHON'
import json
from pathlib import Path

import yaml

from cookbooks.lamquant.samples.synthetic import write_synthetic
from cookbooks.lamquant.sources import SHIPPED_REGISTRY

write_synthetic(Path("edf"), 3, 20, 7, channels=("Fp1", "O2"))
floors = yaml.safe_load(SHIPPED_REGISTRY.read_text())
floors["bands"] = {"delta": {"max_prd": 95, "min_r": 0.1}}
floors["minima"]["samples"] = 1000
for name, each in (
    ("loose", {"min_r": 0.5, "max_prdn": 95, "min_cr": 1}),
    ("strict", {"min_r": 0.9999, "max_prdn": 0.1, "min_cr": 500}),
):
    Path(f"{name}.yaml").write_text(yaml.safe_dump({**floors, "each_recording": each}))
args = {
    "edf_root": str(Path("edf").absolute()),
    "preset": "smoke",
    "epochs": 2,
    "train_subjects": ["SYNTHETIC-s001"],
    "val_subjects": ["SYNTHETIC-s002"],
    "test_subjects": ["SYNTHETIC-s003"],
    "registry": str(Path("loose.yaml").absolute()),
    "promote_as": "lamquant-joint@made",
}
Path("args.json").write_text(json.dumps(args))
strict = {"registry": str(Path("strict.yaml").absolute()), "promote_as": "lamquant-joint@strict"}
Path("strict.json").write_text(json.dumps({**args, **strict}))
PYTHON

blut data add recorded edf
blut policy enable --recipe lamquant_joint_codec --args @args.json --new-recordings 2 --quiet-hours any
blut recipe run lamquant_joint_codec --args @args.json
blut recipe run lamquant_joint_codec --args @args.json
if blut recipe run lamquant_joint_codec --args @strict.json; then
    echo "the strict floors were met, and ought not to be" >&2
    exit 1
fi

# what that code makes of a recording, and gets back from it: the payloads of its own verdict
venv/bin/python - <<'PYTHON'
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import torch

from blut_assets import reuse
from blut_resources.instance import open_instance, store_of
from blut_resources.registry import ModelRegistry

NAMES = ("lma_corpus", "split_manifest", "training_windows", "joint_checkpoint", "pccp_verdict")


def payload(module, inputs, out):
    frozen = {"fingerprint": "0" * 64, "config": {}, "inputs": inputs, "out": out, "work": "scratch"}
    Path("frozen.json").write_text(json.dumps(frozen))
    command = [sys.executable, "-m", f"cookbooks.lamquant.payload.{module}", "--config", "frozen.json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


with open_instance() as instance:
    store, runs = store_of(instance), instance.get_runs(ascending=True)
    made = {}
    for event in reversed(list(reuse.materializations(instance, dg.AssetKey(["lamquant", "recordings"])))):
        made["recordings"] = reuse.digest_of(event.asset_materialization)
    for name in NAMES:
        # the run that was promoted, not the one that the strict floors refused
        for event in reuse.materializations(instance, dg.AssetKey(["lamquant", name])):
            if event.run_id == runs[0].run_id:
                made[name] = reuse.digest_of(event.asset_materialization)
    checkpoint = ModelRegistry(store.root / "registry").resolve("lamquant-joint@made")
    inputs = {"corpus": made["lma_corpus"], "split": made["split_manifest"], "checkpoint": checkpoint}
    opened = {name: str(store.open(digest)) for name, digest in inputs.items()}
    payload("codec_encode", opened, "bitstreams")
    payload("codec_decode", {"checkpoint": opened["checkpoint"], "bitstreams": "bitstreams"}, "decoded")
decoded = {}
for path in sorted(Path("decoded").iterdir()):
    samples = np.load(path)
    sha256 = hashlib.sha256(samples.astype("<i4").tobytes()).hexdigest()
    decoded[path.stem] = {"shape": list(samples.shape), "sha256": sha256}
facts = {
    "runs": {run.run_id: run.status.value for run in runs},
    "made": made,
    "promoted": {"lamquant-joint@made": checkpoint},
    "decoded": decoded,
    "cpu": torch.backends.cpu.get_cpu_capability(),
    "place": str(Path.cwd()),
}
Path("facts.json").write_text(json.dumps(facts, indent=1))
PYTHON

# nobody holds it any more: one file a database, without what is free in it
venv/bin/python - <<'PYTHON'
import contextlib
import sqlite3
import tarfile
from pathlib import Path

for path in Path("home").rglob("*.db"):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PACKED = ("home", "edf", "bitstreams", "decoded", "facts.json", "args.json", "loose.yaml", "train-policy.toml")


def plain(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


with tarfile.open("7335f91.tar.xz", "w:xz", preset=9) as archive:
    for name in PACKED:
        archive.add(name, filter=plain)
PYTHON
mv 7335f91.tar.xz "$here/"
ls -l "$here/7335f91.tar.xz"
