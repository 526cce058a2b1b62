#!/bin/bash
# node.sh DIR NAME: the first process of a node: it has a name, processes and a boot of its own, and the share.
set -eu
dir=$1 name=$2
mount --make-rprivate /
hostname "$name"
cat /proc/sys/kernel/random/uuid >"$dir/boot.$name"
mount --bind "$dir/boot.$name" /proc/sys/kernel/random/boot_id
mount -t tmpfs -o mode=1777 tmpfs /run/lock
slurmd -D -N "$name" >>"$dir/log/slurmd.$name.out" 2>&1 &
while :; do
    sleep 1000 &
    wait $!
done
