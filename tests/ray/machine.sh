#!/bin/bash
# machine.sh DIR RAY: the first process of a machine of its own, with a head of Ray, a second node, and a door.
# Ray takes any address that it finds; here there is the loopback only.
set -eu
dir=$1 bin=$2
mount --make-rprivate /
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ip link set lo up
# A job that has waited so long without a place is FAILED; the usual 900 s are too long for a test. What has a place
# needs half a minute of it on a busy machine.
export RAY_JOB_START_TIMEOUT_SECONDS=60
export RAY_USAGE_STATS_ENABLED=0 RAY_COLOR_PREFIX=0 NO_COLOR=1 PATH="$bin:$PATH"
common=(--node-ip-address=127.0.0.1 --object-store-memory=100000000 --disable-usage-stats)
both() { # without a limit of its own it would take what the tests leave for everything
    "$bin/ray" start --head "${common[@]}" --port=6379 --dashboard-host=127.0.0.1 --dashboard-port=8265 \
        --num-cpus=2 --memory=$((2 << 30)) --temp-dir="$dir/r" >"$dir/head.log" 2>&1 &&
        "$bin/ray" start --address=127.0.0.1:6379 "${common[@]}" --num-cpus=1 --memory=$((1 << 30)) \
            --resources='{"second": 1}' >"$dir/second.log" 2>&1
}
# a node gives itself up after half a minute, which a busy machine takes
until both; do "$bin/ray" stop --force >"$dir/stop.log" 2>&1 || true; done
"$bin/python" "$(dirname "$0")/door.py" "$dir/door" 8265 >"$dir/door.log" 2>&1 &
while [ ! -S "$dir/door" ]; do sleep 0.05; done
touch "$dir/ready"
while :; do # bash buries whatever is left without a parent
    sleep 1000 &
    wait $!
done
