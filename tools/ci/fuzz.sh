#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh BUILD-DIR SECONDS [RESULT-FILE]: runs every fuzz target of a fuzzing build for that long, from its seeds.
set -u
build=$1 seconds=$2 result=${3:-/dev/stdout}
tree=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$build" && pwd) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rc=0
while read -r target; do
	name=$(basename "$target")
	seeds=$(find "$tree/tests/fuzz" -type d -name "corpus-${name#fuzz-}" | head -n 1)
	mkdir -p "$work/$name"
	(cd "$work/$name" && mkdir -p new &&
	 timeout $((seconds + 60)) "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
		-close_fd_mask=1 new ${seeds:+"$seeds"} >log 2>&1)
	code=$?
	if [ $code -eq 0 ]; then
		echo "pass $name" >>"$result"
	else
		echo "fail $name: exit code $code: $(grep -m1 -E 'SUMMARY|ERROR|runtime error' "$work/$name/log" | head -c 300)" >>"$result"
		tail -n 40 "$work/$name/log" >&2
		for f in "$work/$name"/crash-* "$work/$name"/timeout-* "$work/$name"/oom-*; do
			[ -f "$f" ] && { echo "input $(basename "$f"):"; base64 "$f" | head -n 40; } >&2
		done
		rc=1
	fi
done < <(find "$build/tests/fuzz" -type f -name 'fuzz-*' -perm -u+x | sort)
exit $rc
