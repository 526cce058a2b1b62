#!/bin/sh
# recorder.sh PLACE UNIT PYTHON: writes PLACE/stopped.json when a systemd unit has ended (its ExecStopPost=).
#
# It runs in the unit's cgroup after the last process of the payload is gone and before the cgroup is, also after
# an OOM kill, and so keeps what the manager forgets as soon as the unit is collected:
#   result, code, status   of the main process, as in systemd.exec(5): "oom-kill" "killed" "KILL"
#   version, cgroup        of the unit's own cgroup that counted the memory; 0 and "" if it had none
#   limit, peak            bytes, null if there is none or the kernel does not tell
#   oom, oom_kill          times that this unit's own limit was reached for good (0 if an ancestor's was), and
#                          processes killed for it; version 1 counts only the latter
# Almost only shell builtins: a unit at its memory limit has little left, and its owner waits.

cgroup= version=0 limit=null peak=null oom=null oom_kill=null

while IFS=: read -r id controllers path; do
    case $id,$controllers,$path in
        *,memory,*/"$2") cgroup=/sys/fs/cgroup/memory$path version=1 ;;
        0,,*/"$2") [ "$version" = 1 ] || { cgroup=/sys/fs/cgroup$path version=2; } ;;
    esac
done </proc/self/cgroup

number() { # FILE: sets value to a number of less than 19 digits (more is version 1's "no limit"), or null
    value=
    [ -r "$1" ] && read -r value <"$1"
    case $value in
        '' | *[!0-9]* | ???????????????????*) value=null ;;
    esac
}

counts() { # FILE: sets oom and oom_kill from its lines
    while read -r key count; do
        case $key in
            oom) oom=$count ;;
            oom_kill) oom_kill=$count ;;
        esac
    done <"$1"
}

if [ "$version" = 2 ] && [ -r "$cgroup/memory.events" ]; then
    number "$cgroup/memory.max"
    limit=$value
    number "$cgroup/memory.peak"
    peak=$value
    counts "$cgroup/memory.events"
elif [ "$version" = 1 ] && [ -r "$cgroup/memory.oom_control" ]; then
    number "$cgroup/memory.limit_in_bytes"
    limit=$value
    number "$cgroup/memory.max_usage_in_bytes"
    peak=$value
    counts "$cgroup/memory.oom_control"
else
    cgroup= version=0
fi

# systemd-oomd kills like anybody else, but leaves its count on the cgroup
if [ "$version $EXIT_STATUS $oom_kill" = "2 KILL 0" ] && "$3" -I -S -c '
import os, sys
counts = {"user.oomd_kill", "user.oomd_ooms"}.intersection(os.listxattr(sys.argv[1]))
sys.exit(not any(int(os.getxattr(sys.argv[1], name)) for name in counts))
' "$cgroup"; then
    SERVICE_RESULT=oom-kill
fi

umask 077
printf '{"result":"%s","code":"%s","status":"%s","version":%s,"cgroup":"%s","limit":%s,"peak":%s,"oom":%s,"oom_kill":%s}\n' \
    "$SERVICE_RESULT" "$EXIT_CODE" "$EXIT_STATUS" "$version" "$cgroup" "$limit" "$peak" "$oom" "$oom_kill" \
    >"$1/stopped.json.new" && mv -f "$1/stopped.json.new" "$1/stopped.json"
