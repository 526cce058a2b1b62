#!/usr/bin/env bash
# boot.sh [-m MIB] [-t SECONDS] [-w DIR]... [-e NAME]... [-v] -- COMMAND [ARG...]
#
# Runs COMMAND as root on a kernel of its own: User-Mode Linux, systemd as PID 1, cgroup v2 with the memory
# controller. The root file system is this machine's, read-only below a volatile overlay, so the checkout, its
# virtual environment and every installed program are there at the same paths, and nothing written survives.
#
#   -m MIB      memory of the machine (2048); only what is touched is used
#   -t SECONDS  ends everything after that long (300)
#   -w DIR      a directory of this machine that is writable inside; may be repeated
#   -e NAME     an environment variable to hand on, beside PATH HOME LANG VIRTUAL_ENV CI; may be repeated
#   -v          print the console of the machine and the service's result at the end
#
# Exit status: that of COMMAND (128+N: killed by signal N); 124: out of time; 125: the machine did not come up
# or did not report, with its console on standard error; 69: this machine lacks something, named there.
# Afterwards no process, file, mount or cgroup is left, whether COMMAND ended, time ran out, or this script was
# killed.
#
# Needs: apt-get install --no-install-recommends user-mode-linux kmod systemd dbus libpam-systemd
set -u

memory=2048 limit=300 verbose= writable=() names=(PATH HOME LANG VIRTUAL_ENV CI)
while getopts m:t:w:e:v option; do
    case $option in
        m) memory=$OPTARG ;;
        t) limit=$OPTARG ;;
        w) writable+=("$(realpath -e -- "$OPTARG")") || exit 64 ;;
        e) names+=("$OPTARG") ;;
        v) verbose=yes ;;
        *) exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo "boot.sh: no command after --" >&2; exit 64; }

missing() {
    echo "boot.sh: $1 is missing; apt-get install --no-install-recommends $2" >&2
    exit 69
}
command -v linux.uml >/dev/null || missing linux.uml user-mode-linux
command -v insmod >/dev/null || [ -x /sbin/insmod ] || missing insmod kmod
[ -x /lib/systemd/systemd ] || missing /lib/systemd/systemd systemd
[ -x /usr/bin/dbus-daemon ] || missing dbus-daemon dbus
[ -x /lib/systemd/systemd-logind ] || missing systemd-logind systemd

# ---- everything that this boot needs, in one directory: $state
state=$(mktemp -d "${TMPDIR:-/tmp}/uml.XXXXXX") || exit 125
mkdir "$state/out"
: >"$state/out/log"
printf '%s\n' "${writable[@]:-}" >"$state/writable"
{
    echo '#!/bin/bash'
    for name in "${names[@]}"; do
        [ -n "${!name+set}" ] && printf 'export %s=%q\n' "$name" "${!name}"
    done
    printf 'cd %q || exit 127\nexec' "$PWD"
    printf ' %q' "$@"
    echo
} >"$state/job.sh"

# The service that runs the command. Type=exec, because with oneshot the manager counts as still starting.
# Delegate: the command may make cgroups of its own below. Its end switches the machine off.
cat >"$state/job.service" <<'UNIT'
[Unit]
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=exec
Delegate=yes
OOMPolicy=continue
ExecStart=/bin/bash /run/uml/job.sh
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" > /run/uml/out/result; sync'
StandardOutput=append:/run/uml/out/log
StandardError=inherit
UNIT
cat >"$state/job.target" <<'UNIT'
[Unit]
Requires=basic.target dbus.service systemd-logind.service
Wants=systemd-user-sessions.service job.service
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
AllowIsolate=yes
UNIT

# ---- the first process of the machine: builds the root file system, then becomes systemd
{ echo '#!/bin/bash'; printf 'state=%q\n' "$state"; } >"$state/init"
cat >>"$state/init" <<'INIT'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
fail() { echo "init: $*"; systemctl poweroff --force --force; exit 1; }

mount -t proc proc /proc || fail "no /proc"
modules=/usr/lib/uml/modules/$(uname -r)/kernel/fs
insmod "$modules/overlayfs/overlay.ko"
grep -qw overlay /proc/filesystems || fail "no overlay file system"
insmod "$modules/autofs/autofs4.ko"

# the machine's own root, read-only, below an overlay in memory
root=/mnt/root
mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir /mnt/upper /mnt/work $root || fail "no tmpfs on /mnt"
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root || fail "no overlay"
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t devtmpfs devtmpfs $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mkdir $root/run/uml
mount -t hostfs none $root/run/uml -o "$state" || fail "no hostfs"
while read -r directory; do
    [ -n "$directory" ] && mkdir -p "$root$directory" && mount -t hostfs none "$root$directory" -o "$directory"
done <"$state/writable"

# a machine of its own, without the services and timers of the one below
: >$root/etc/fstab
echo uml >$root/etc/hostname
rm -f $root/etc/machine-id
tr -d - </proc/sys/kernel/random/uuid >$root/etc/machine-id
units=$root/run/systemd/system
mkdir -p $units
cp "$state/job.service" "$state/job.target" $units
for wanted in $root/{lib,etc}/systemd/system/{sysinit,local-fs,sockets,timers,basic,paths}.target.wants/*; do
    unit=${wanted##*/}
    case $unit in
        systemd-journald* | dbus.socket | '*') ;;
        *) ln -sf /dev/null $units/"$unit" ;;
    esac
done
# wanted by unit files themselves; tmpfiles would walk, and copy, the whole /tmp of the machine below
for unit in systemd-remount-fs systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-udevd; do
    ln -sf /dev/null $units/$unit.service
done

cd $root && mkdir -p oldroot && pivot_root . oldroot && umount -l /oldroot || fail "no new root"
exec </dev/console >/dev/console 2>&1
exec /lib/systemd/systemd --system --unit=job.target
INIT
chmod +x "$state/init" "$state/job.sh"

# ---- boot; a session of its own, so that one signal ends every process of the machine
(
    cd "$state" || exit 125
    exec setsid linux.uml mem="${memory}M" umid=uml uml_dir="$state/" \
        root=/dev/root rootfstype=hostfs rootflags=/ ro init="$state/init" \
        con=null con0=null,fd:1 console=tty0 loglevel=3 systemd.show_status=0 \
        </dev/null >"$state/console" 2>&1
) &
machine=$!

# The guard reads a pipe that only this script writes to, and never does: it wakes up when time is over or this
# script has ended, however that came about, and clears away machine and files.
exec {alive}> >(exec setsid bash -c '
    read -r -t "$1" _
    [ $? -gt 128 ] && { : >"$3/out/late"; kill -KILL -- "-$2"; read -r _; }
    kill -KILL -- "-$2"
    for _ in {1..100}; do kill -0 -- "-$2" || break; sleep 0.05; done
    rm -rf "$3"
' guard "$limit" "$machine" "$state" >/dev/null 2>&1)
guard=$!
follower=
finish() {
    exec {alive}>&-
    wait "$machine" $follower "$guard" 2>/dev/null
    exit "$1"
}
trap 'finish 129' HUP
trap 'finish 130' INT
trap 'finish 143' TERM

tail -n +1 -s 0.2 --pid="$machine" -f "$state/out/log" {alive}>&- &
follower=$!
wait "$machine" 2>/dev/null
wait "$follower"

# ---- what became of it
result=none code=none status=125
[ -s "$state/out/result" ] && read -r result code status <"$state/out/result"
[ -e "$state/out/late" ] && echo "boot.sh: ended after ${limit} s" >&2 && status=124
if [ "$verbose" ] || [ "$code" = none ]; then
    printf -- '--- console\n%s\n--- result: %s\n' "$(tail -n 60 "$state/console")" "$result $code $status" >&2
fi
case $status in
    *[!0-9]*) status=$((128 + $(kill -l "$status"))) ;;
esac
finish "$status"
