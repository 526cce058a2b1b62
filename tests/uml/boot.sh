#!/usr/bin/env bash
# boot.sh [-m MIB] [-t SECONDS] [-w DIR]... [-e NAME]... [-v] -- COMMAND [ARG...]
#
# Runs COMMAND as root on a kernel of its own: User-Mode Linux, systemd as PID 1, cgroup v2 with the memory
# controller. The root file system is this machine's, read-only below a volatile overlay, so the checkout, its
# virtual environment and every installed program are there at the same paths, and nothing written survives.
#
#   -m MIB  memory of the machine (2048); only what is touched is used
#
# The other options, and the exit status: machine.sh.
# Needs: apt-get install --no-install-recommends user-mode-linux kmod systemd dbus libpam-systemd
set -u
library=$(dirname "$(realpath "$0")")/machine.sh
. "$library"
parse_options "$@"
need linux.uml user-mode-linux
need /sbin/insmod kmod
need /lib/systemd/systemd systemd
need /usr/bin/dbus-daemon dbus
make_state

# The first process of the machine: builds the root file system, then becomes systemd. It sees this machine's
# files, so this library too.
{ echo '#!/bin/bash'; printf 'state=%q library=%q\n' "$state" "$library"; } >"$state/init"
cat >>"$state/init" <<'INIT'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
. "$library"
fail() { echo "init: $*"; systemctl poweroff --force --force; exit 1; }

mount -t proc proc /proc || fail "no /proc"
modules=/usr/lib/uml/modules/$(uname -r)/kernel/fs
insmod "$modules/overlayfs/overlay.ko"
grep -qw overlay /proc/filesystems || fail "no overlay file system"
insmod "$modules/autofs/autofs4.ko"

root=/mnt/root
mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir /mnt/upper /mnt/work $root || fail "no tmpfs on /mnt"
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root || fail "no overlay"
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t devtmpfs devtmpfs $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mkdir $root/run/boot
mount -t hostfs none $root/run/boot -o "$state" || fail "no hostfs"
while read -r directory; do
    [ -n "$directory" ] && mkdir -p "$root$directory" && mount -t hostfs none "$root$directory" -o "$directory"
done <"$state/writable"

furnish $root
enter $root || fail "no new root"
exec </dev/console >/dev/console 2>&1
exec /lib/systemd/systemd --system --unit=job.target
INIT
chmod +x "$state/init"
# PID 1 of a real machine cannot exit, it switches off
sed -i s/exit-force/poweroff-force/ "$state/job.service"

# a session of its own, so that one signal ends every process of the machine
(
    cd "$state" || exit 125
    exec setsid linux.uml mem="${memory}M" umid=uml uml_dir="$state/" \
        root=/dev/root rootfstype=hostfs rootflags=/ ro init="$state/init" \
        con=null con0=null,fd:1 console=tty0 loglevel=3 systemd.show_status=0 \
        </dev/null >"$state/console" 2>&1
) &
guard $!
follow_and_finish
