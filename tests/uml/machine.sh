# Sourced by the scripts that boot a systemd of its own from this machine's root file system: their options, the
# service that runs the command, the end of the machine, the exit status. What they have in common on the outside:
#
#   boot.sh [-t SECONDS] [-w DIR]... [-e NAME]... [-v] -- COMMAND [ARG...]
#
#   -t SECONDS  ends everything after that long (300)
#   -w DIR      a directory of this machine that is writable inside; may be repeated
#   -e NAME     an environment variable to hand on, beside PATH HOME LANG VIRTUAL_ENV CI; may be repeated
#   -v          print the console of the machine and the service's result at the end
#
# Exit status: that of COMMAND (128+N: killed by signal N); 124: out of time; 125: the machine did not come up
# or did not report, with its console on standard error; 69: this machine lacks something, named there.
# Afterwards no process, file, mount or cgroup is left, whether COMMAND ended, time ran out, or the script was
# killed.

limit=300 memory=2048 verbose='' writable=() names=(PATH HOME LANG VIRTUAL_ENV CI) command=()

parse_options() {
    local option
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
    command=("$@")
    [ $# -gt 0 ] || { echo "$0: no command after --" >&2; exit 64; }
}

need() { # FILE-OR-PROGRAM PACKAGE
    command -v "$1" >/dev/null && return
    echo "$0: $1 is missing; apt-get install --no-install-recommends $2" >&2
    exit 69
}

# ---- before the boot: everything that it needs, in one directory, $state
make_state() {
    state=$(mktemp -d "${TMPDIR:-/tmp}/boot.$$.XXX") || exit 125
    trap 'rm -rf "$state"' EXIT # until the guard takes over
    mkdir "$state/out"
    : >"$state/out/log"
    printf '%s\n' "${writable[@]:-}" >"$state/writable"
    {
        echo '#!/bin/bash'
        for name in "${names[@]}"; do
            [ -n "${!name+set}" ] && printf 'export %s=%q\n' "$name" "${!name}"
        done
        printf 'cd %q || exit 127\nexec' "$PWD"
        printf ' %q' "${command[@]}"
        echo
    } >"$state/job.sh"
    # Type=exec, because with oneshot the manager counts as still starting. Delegate: the command may make
    # cgroups of its own below. Its end switches the machine off.
    cat >"$state/job.service" <<'UNIT'
[Unit]
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=exec
Delegate=yes
OOMPolicy=continue
ExecStart=/bin/bash /run/boot/job.sh
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" > /run/boot/out/result; sync'
StandardOutput=append:/run/boot/out/log
StandardError=inherit
UNIT
    cat >"$state/job.target" <<'UNIT'
[Unit]
Requires=basic.target dbus.service systemd-logind.service
Wants=systemd-user-sessions.service job.service
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
AllowIsolate=yes
UNIT
}

# ---- inside, by the first process, before it becomes systemd
furnish() { # ROOT: a machine of its own there, without the services and timers of the one below
    local root=$1 units=$1/run/systemd/system wanted unit
    : >"$root/etc/fstab"
    echo test >"$root/etc/hostname"
    rm -f "$root/etc/machine-id"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    mkdir -p "$units"
    cp "$state/job.service" "$state/job.target" "$units"
    for wanted in "$root"/{lib,etc}/systemd/system/{sysinit,local-fs,sockets,timers,basic,paths}.target.wants/*; do
        unit=${wanted##*/}
        case $unit in
            systemd-journald* | dbus.socket | '*') ;;
            *) ln -sf /dev/null "$units/$unit" ;;
        esac
    done
    # these are wanted otherwise; tmpfiles would walk, and copy, the whole /tmp of the machine below
    for unit in systemd-remount-fs systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-udevd; do
        ln -sf /dev/null "$units/$unit.service"
    done
}

enter() { # ROOT: make it the root of everything
    cd "$1" && mkdir -p oldroot && pivot_root . oldroot && umount -l /oldroot || return
    # as systemd does unless it takes the machine for a container: without it, credentials do not reach services
    mount --make-rshared /
}

# ---- while it runs
# The guard reads a pipe that only the script writes to, and never does: it wakes up when time is over or the
# script has ended, however that came about, and clears away processes and files.
guard() { # PID EXTRA: the leader of the machine's process group; a command to run after its end
    machine=$1
    exec {alive}> >(exec setsid bash -c '
        read -r -t "$1" _
        [ $? -gt 128 ] && { : >"$3/out/late"; kill -KILL -- "-$2"; read -r _; }
        kill -KILL -- "-$2"
        for _ in {1..100}; do kill -0 -- "-$2" || break; sleep 0.05; done
        eval "$4"
        rm -rf "$3"
    ' guard "$limit" "$machine" "$state" "${2:-}" >/dev/null 2>&1)
    guard=$!
    trap - EXIT
    trap 'finish 129' HUP
    trap 'finish 130' INT
    trap 'finish 143' TERM
}

finish() {
    exec {alive}>&-
    wait "$machine" ${follower:+"$follower"} "$guard" 2>/dev/null
    exit "$1"
}

# ---- afterwards
follow_and_finish() {
    tail -n +1 -s 0.2 --pid="$machine" -f "$state/out/log" {alive}>&- &
    follower=$!
    wait "$machine" 2>/dev/null
    wait "$follower"
    local result=none code=none status=125
    [ -s "$state/out/result" ] && read -r result code status <"$state/out/result"
    [ -e "$state/out/late" ] && echo "$0: ended after ${limit} s" >&2 && status=124
    if [ "$verbose" ] || [ "$code" = none ]; then
        printf -- '--- console\n%s\n--- result: %s\n' "$(tail -n 60 "$state/console")" "$result $code $status" >&2
    fi
    case $status in
        *[!0-9]*) status=$((128 + $(kill -l "$status"))) ;;
    esac
    finish "$status"
}
