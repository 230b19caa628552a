# shellcheck shell=sh
# What cgroups-mount and entrypoint share: words for people, JSON for the operator, and the mount table.
# POSIX sh and mount(8) only: this runs in whatever image the daemon came in (dash, busybox ash; no bash, no awk).
# The script that sources this sets `lib` (the folder of these files) and defines write_failure CHECK REASON MESSAGE.

# The release of these files; shown in the report.
# shellcheck disable=SC2034  # read by the scripts that source this
DIND_TOOL_VERSION=0.1.0

# mount(8) of util-linux 2.39 and later makes a file system first and puts it in its place afterwards, where AppArmor sees
# neither type nor source any more. So the profile of this project forbids the second step, and this asks for mount(2).
export LIBMOUNT_FORCE_MOUNT2=always

# Where Kubernetes reads why a container ended. Without a kubelet there is no such file, and none is made.
termination_log=${DIND_TERMINATION_LOG:-/dev/termination-log}

say() {
	printf 'dind: %s\n' "$*" >&2
}

# A string as JSON, quotes included; "null" for none: TEXT [MAXIMUM]. Escaped it is cut to 256 bytes or MAXIMUM.
json() {
	if [ -n "${1-}" ]; then "$lib/dind-node" json-escape --max "${2:-256}" "$1"; else printf null; fi
}

# The error member of both reports: CHECK REASON MESSAGE. What the kernel or dockerd said is part of the message; with
# 2800 bytes for it the whole stays below the 4096 bytes that the kubelet keeps.
json_error() {
	printf '{"check":"%s","reason":"%s","message":%s}' "$1" "$2" "$(json "$3" 2800)"
}

write_termination() {
	[ ! -e "$termination_log" ] || printf '%s\n' "$1" >"$termination_log" || say "cannot write $termination_log"
}

# The one remedy or the other: WITH_A_KUBELET WITHOUT. Where nobody reads a termination message there is no spec to correct.
remedy() {
	if [ -e "$termination_log" ]; then printf '%s' "$1"; else printf '%s' "$2"; fi
}

# What is being done, so that a command failing unexpectedly is reported in its terms: CHECK REASON WHAT
doing() {
	doing_check=$1 doing_reason=$2 doing_what=$3
}

# Ends with a reason: CHECK REASON MESSAGE. The message says what is wrong, where, and what to do.
fail() {
	failed=1
	say "$3"
	write_failure "$1" "$2" "$3"
	exit 1
}

# For the EXIT trap: STATUS. A script under `set -e` that stopped without `fail` still says where.
report_unexpected() {
	[ "$1" -ne 0 ] && [ -z "${failed-}" ] || return 0
	failed=1
	doing_message="$doing_what stopped unexpectedly with status $1. The lines above in this container's log say why."
	say "$doing_message"
	write_failure "$doing_check" "$doing_reason" "$doing_message"
}

# The file system type of what is mounted at or above PATH: the last mount that covers it in the table counts.
filesystem_of() {
	fs_path=$1 fs_point='' fs_type=unknown
	while read -r _ _ _ _ point rest; do
		case $fs_path/ in
		"${point%/}"/*) ;;
		*) continue ;;
		esac
		[ "${#point}" -ge "${#fs_point}" ] || continue
		rest=${rest#*- }
		fs_point=$point fs_type=${rest%% *}
	done </proc/self/mountinfo
	printf '%s' "$fs_type"
}

# Unmounts everything at or below DIR, the newest first (busybox's umount has no -R). What cannot be unmounted stays.
unmount_all() {
	points=''
	while read -r _ _ _ _ point _; do
		case $point/ in
		"$1"/*) points="$point $points" ;;
		esac
	done </proc/self/mountinfo
	for point in $points; do
		# The table writes a space as \040; %b reads that back.
		point=$(printf %b "$point")
		umount "$point" 2>/dev/null || umount -l "$point" 2>/dev/null || say "$point could not be unmounted"
	done
}

# Sets words to the words of a list with commas.
split_commas() {
	words='' rest=$1,
	while [ -n "$rest" ]; do
		words="$words${words:+ }${rest%%,*}"
		rest=${rest#*,}
	done
}

# Whether a word is in a list of words: WORD LIST
among() {
	case " $2 " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}
