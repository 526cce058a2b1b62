#!/usr/bin/env bash
# boot.sh [-t SECONDS] [-w DIR]... [-e NAME]... [-v] -- COMMAND [ARG...]
#
# Runs COMMAND as root below a systemd of its own on this machine's kernel, with the cgroups of version 1 (the
# "hybrid" layout): namespaces, sub-cgroups of its own in every hierarchy, and a volatile overlay of this
# machine's root. Takes a second. Options and exit status: ../uml/machine.sh.
#
# Needs: root, the memory controller of cgroup v1, systemd before version 256, dbus
set -u
. "$(dirname "$(realpath "$0")")/../uml/machine.sh"
parse_options "$@"
need /lib/systemd/systemd systemd
need /usr/bin/dbus-daemon dbus
[ "$(id -u)" = 0 ] || { echo "$0: only root can make the namespaces" >&2; exit 69; }
[ -d /sys/fs/cgroup/memory ] || { echo "$0: this machine has no memory controller on cgroup v1" >&2; exit 69; }
make_state

# ---- a cgroup of its own in every hierarchy; its directories are listed for the guard to remove
cgroups=()
trap 'rmdir "${cgroups[@]}"; rm -rf "$state"' EXIT
for hierarchy in /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] && [ ! -L "${hierarchy%/}" ] || continue
    cgroup=$hierarchy$(basename "$state")
    mkdir "$cgroup" || exit 125
    cgroups+=("$cgroup")
    # a new cpuset has no CPU and no memory node and takes no process
    for file in cpuset.cpus cpuset.mems; do
        [ -e "$hierarchy/$file" ] && [ "$hierarchy" != /sys/fs/cgroup/unified/ ] && cat "$hierarchy/$file" >"$cgroup/$file"
    done
done

# ---- the first process, in its namespaces
{ echo '#!/bin/bash'; printf 'state=%q\n' "$state"; cat "$(dirname "$(realpath "$0")")/../uml/machine.sh"; } >"$state/init"
cat >>"$state/init" <<'INIT'
set -e
mount --make-rprivate /
root=$state/new
mkdir "$state/overlay" "$root"
mount -t tmpfs tmpfs "$state/overlay"
mkdir "$state"/overlay/{upper,work,below}
mount --bind / "$state/overlay/below"
mount -t overlay overlay -o "lowerdir=$state/overlay/below,upperdir=$state/overlay/upper,workdir=$state/overlay/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
while read -r _ _ _ _ hierarchy _ _ type _ options; do
    name=${hierarchy#/sys/fs/cgroup/}
    options=${options#rw,}
    mkdir "$root/sys/fs/cgroup/$name"
    case $type in
        cgroup2) mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/$name" ;;
        *) mount -t cgroup -o "${options/#name=/none,name=}" cgroup "$root/sys/fs/cgroup/$name" ;;
    esac
done < <(grep -E ' - cgroup2? ' /proc/self/mountinfo)
mkdir "$root/run/boot"
mount --bind "$state" "$root/run/boot"
while read -r directory; do
    [ -z "$directory" ] || { mkdir -p "$root$directory"; mount --bind "$directory" "$root$directory"; }
done <"$state/writable"
furnish "$root"
enter "$root"
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=0 --unit=job.target
INIT

(
    for cgroup in "${cgroups[@]}"; do
        echo "$BASHPID" >"$cgroup/cgroup.procs"
    done
    exec setsid unshare --pid --fork --kill-child --mount --net --uts --ipc --cgroup \
        bash "$state/init" </dev/null >"$state/console" 2>&1
) &
# the last process of the machine may take a moment to leave its cgroups, and not all hierarchies at once
guard $! "for _ in {1..1000}; do
    find $(printf '%q ' "${cgroups[@]}") -depth -type d -exec rmdir {} +
    left=\$(ls -d $(printf '%q ' "${cgroups[@]}"))
    [ \"\$left\" ] || break
    sleep 0.05
done"
follow_and_finish
