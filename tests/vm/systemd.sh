#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the virtual machine: hoy-runtime --systemd-cgroup against a real systemd, which runs as PID 1 of a pid namespace (the
# machine's own PID 1 is a script). Prints ok lines and ends with 0 when all held.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
rt=$tree/build/hoy-runtime
if [ "${1:-}" != inside ]; then
	mkdir -p /run/systemd
	unshare --pid --fork --mount --mount-proc env container=vm /lib/systemd/systemd --system --unit=basic.target \
		--log-level=err </dev/null >/tmp/systemd.log 2>&1 &
	for _ in $(seq 600); do [ -S /run/systemd/private ] && break; sleep 0.1; done
	pid=$(pgrep -xo systemd)
	[ -S /run/systemd/private ] || { cat /tmp/systemd.log; echo "systemd did not come up"; exit 1; }
	nsenter -t "$pid" -p -m -- "$tree/tests/vm/systemd.sh" inside
	rc=$?
	kill -KILL "$pid"
	exit $rc
fi

fail() { echo "FAILED: $*"; exit 1; }
check() { # name, expected, actual
	[ "$2" = "$3" ] || fail "$1: want '$2', got '$3'"
	echo "ok $1"
}
for _ in $(seq 300); do systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' && break; sleep 0.2; done
b=$(mktemp -d)
mkdir -p "$b/rootfs/bin" "$b/rootfs/proc"
cp /bin/busybox "$b/rootfs/bin/" && ln -s busybox "$b/rootfs/bin/sleep"
cat > "$b/config.json" <<JSON
{"ociVersion":"1.2.0","process":{"user":{"uid":0,"gid":0},"args":["/bin/sleep","1000"],"cwd":"/","env":["PATH=/bin"]},
 "root":{"path":"rootfs"},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
 "linux":{"cgroupsPath":"hoy-test.slice:hoy:one","namespaces":[{"type":"pid"},{"type":"mount"}],
 "resources":{"memory":{"limit":67108864},"pids":{"limit":17},"cpu":{"quota":50000,"period":100000,"shares":512}}}}
JSON
"$rt" --systemd-cgroup run -d -b "$b" one || fail "run"
unit=hoy-one.scope
dir=/sys/fs/cgroup/hoy.slice/hoy-test.slice/$unit
check "scope is active" active "$(systemctl is-active $unit)"
check "slice" hoy-test.slice "$(systemctl show -p Slice --value $unit)"
check "delegated" yes "$(systemctl show -p Delegate --value $unit)"
pid=$("$rt" state one | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
check "process inside" "0::/hoy.slice/hoy-test.slice/$unit" "$(cat /proc/$pid/cgroup)"
check "only the container's process" "$pid" "$(cat $dir/cgroup.procs)"
check "memory.max" 67108864 "$(cat $dir/memory.max)"
check "pids.max" 17 "$(cat $dir/pids.max)"
check "cpu.max" "50000 100000" "$(cat $dir/cpu.max)"
check "systemd knows the memory limit" 67108864 "$(systemctl show -p MemoryMax --value $unit)"
systemctl daemon-reload || fail "daemon-reload"
check "memory.max after a reload" 67108864 "$(cat $dir/memory.max)"
check "pids.max after a reload" 17 "$(cat $dir/pids.max)"
"$rt" --systemd-cgroup run -d -b "$b" one 2>/dev/null && fail "a second container of the same name"
check "still running" running "$("$rt" state one | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p')"
"$rt" exec one /bin/sleep 0 || fail "exec"
echo "ok exec"
"$rt" delete -f one || fail "delete"
check "unit is gone" inactive "$(systemctl is-active $unit)"
[ ! -d "$dir" ] || fail "the group stayed"
echo "ok group is gone"
rm -rf "$b"
echo "all ok"
