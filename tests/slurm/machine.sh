#!/bin/bash
# machine.sh DIR MODE: the first process of a machine of its own, on which the controller and munge run.
# MODE=cgroup: /sys/fs/cgroup is made of the cgroups that this process is in, MODE=plain: it stays as it is.
set -eu
dir=$1 mode=$2
mount --make-rprivate /
if [ "$mode" = cgroup ]; then
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for name in cpu cpuacct cpuset memory devices freezer blkio pids; do
        mkdir /sys/fs/cgroup/$name
        mount -t cgroup -o $name cgroup /sys/fs/cgroup/$name 2>/dev/null || rmdir /sys/fs/cgroup/$name
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || rmdir /sys/fs/cgroup/systemd
fi
# sockets and locks of the machine around it are out of sight
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/munge
mkdir -m 1777 /run/lock
mount --bind "$dir/hosts" /etc/hosts
hostname ctl
ip link set lo up
# glibc looks for addresses only where there is one beside the loopback; nothing leaves by it
ip link add dummy0 type dummy 2>/dev/null || ip link add dummy0 type veth peer name dummy1
ip addr add 192.0.2.99/32 dev dummy0
ip link set dummy0 up
munged --foreground --force --key-file="$dir/munge.key" --socket=/run/munge/munge.socket.2 \
    --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/munge.seed" \
    2>"$dir/log/munged.err" &
for _ in $(seq 100); do
    [ -S /run/munge/munge.socket.2 ] && break
    sleep 0.05
done
touch "$dir/ready"
while :; do # bash buries whatever is left without a parent
    sleep 1000 &
    wait $!
done
