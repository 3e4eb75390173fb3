# SPDX-License-Identifier: GPL-2.0-only
# What the scripts share: where things are, how they say what they do, how they
# fail, and how a step is skipped when nothing that it depends on has changed.
# Sourced, never run. Callers have set -euo pipefail.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/dma_demo
OUT=${OUT:-$TOP/out}
JOBS=${JOBS:-$(nproc)}
START=${START:-$(date +%s)}
export START OUT JOBS
[[ $TOP$CACHE$OUT != *[[:space:]]* ]] || {
	echo "${0##*/}: a path with a space, $TOP, $CACHE or $OUT; kernels" \
		"cannot be built there" >&2
	exit 1
}
# Our tools must not be confused by the caller's own git or locale.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export LC_ALL=C.UTF-8

# die WHAT [WHAT-TO-DO]: one line on stderr, exit 1.
die()
{
	printf '%s: %s%s\n' "${0##*/}" "$1" "${2:+; $2}" >&2
	exit 1
}

# say TEXT...: progress, with the time since the first script of this run.
say()
{
	local t=$(($(date +%s) - START))

	printf '[%02d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*"
}

# step TITLE LOG COMMAND...: run COMMAND with its output in $OUT/logs/LOG.log,
# one line when it has ended; the end of the log and its path when it failed.
step()
{
	local title=$1 log=$OUT/logs/$2.log t0 rc=0

	shift 2
	mkdir -p "${log%/*}"
	t0=$(date +%s)
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ "$rc" -eq 0 ]; then
		say "$title ($(($(date +%s) - t0)) s)"
		return 0
	fi
	say "FAILED: $title ($(($(date +%s) - t0)) s)"
	tail -n 20 "$log" | sed 's/^/    /'
	printf '    log: %s\n' "$log"
	return "$rc"
}

# digest FILE-OR-DIRECTORY...: one hash of contents, and of names below a
# directory, wherever that is.
digest()
{
	local f

	for f; do
		if [ -d "$f" ]; then
			(cd "$f" && find . -type f -print0 | sort -z |
				xargs -0r sha256sum)
		else
			sha256sum <"$f"
		fi
	done | sha256sum | cut -c1-16
}

# fresh NAME HASH: was the step NAME last completed with this HASH?
fresh()
{
	[ "$(cat "$CACHE/stamps/$1" 2>/dev/null)" = "$2" ]
}

# done_with NAME HASH: remember that it was.
done_with()
{
	mkdir -p "$(dirname "$CACHE/stamps/$1")"
	printf '%s\n' "$2" >"$CACHE/stamps/$1"
}

# lock NAME [--shared]: one run at a time, or several that all share; held until
# this process and its children end, or unlock.
lock()
{
	mkdir -p "$CACHE/locks"
	exec {LOCK_FD}>"$CACHE/locks/$1"
	flock -n ${2:+"$2"} "$LOCK_FD" && return
	say "waiting for another run that holds $1"
	flock ${2:+"$2"} "$LOCK_FD"
}

# unlock: what lock took last
unlock()
{
	exec {LOCK_FD}>&-
}

# space DIRECTORY MEBIBYTES: dies unless there are so many free.
space()
{
	local free

	mkdir -p "$1"
	free=$(df -Pm "$1" | awk 'END { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$1 has $free MiB free and $2 are needed" \
		    "free some, or set XDG_CACHE_HOME to another disk"
}

# on_exit COMMAND...: run when this script ends, however it ends.
ON_EXIT=()
on_exit()
{
	ON_EXIT+=("$*")
	# shellcheck disable=SC2154 # it is the trap's own
	trap 'for c in "${ON_EXIT[@]}"; do eval "$c"; done' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# supervise ARGUMENT...: run the rest of this script as a child, with these
# arguments, and end at once on Ctrl-C or SIGTERM: bash waits for the command
# that it runs before it looks at a signal, and a step may take half an hour. The
# child and its commands are a process group, which gets the signal as one.
supervise()
{
	local pid rc=0

	[ -z "${SUPERVISED:-}" ] || { unset SUPERVISED; return 0; }
	# A group of its own; and SIGINT is not ignored there.
	set -m
	SUPERVISED=1 "$0" "$@" </dev/null &
	pid=$!
	set +m
	trap 'kill -TERM -- "-$pid" 2>/dev/null; wait "$pid" || true; exit 130' INT
	trap 'kill -TERM -- "-$pid" 2>/dev/null; wait "$pid" || true; exit 143' \
		TERM HUP QUIT
	wait "$pid" || rc=$?
	exit "$rc"
}

# machine_conf NAME [DIRECTORY]: read selftests/machines/NAME.conf into shell
# variables; what QEMU writes goes to DIRECTORY.
machine_conf()
{
	local conf=$TOP/selftests/machines/$1.conf

	[ -f "$conf" ] || die "no machine $1" "there are: $(machines)"
	# What a .conf file may use, and what it may leave out
	# shellcheck disable=SC2034
	dir=${2:-$OUT} may_skip=() expect_kmsg=() compat_arch='' compat_cross=''
	# shellcheck disable=SC2034
	own_may_skip=() fragments_last='' fresh=''
	# shellcheck disable=SC2034
	kernel=$1 programs='' engines='' only='' runner='' host_check=''
	# shellcheck disable=SC2034
	measure='' repeat=50 last=''
	# shellcheck source=selftests/machines/raspi4b.conf
	. "$conf"
}

# machines: the names of all of them
machines()
{
	local m=("$TOP"/selftests/machines/*.conf)

	m=("${m[@]##*/}")
	echo "${m[@]%.conf}"
}

# machine_kernel MACHINE: the machine whose kernel it boots, mostly its own
machine_kernel()
{
	(machine_conf "$1" && echo "$kernel")
}

# machine_obj TREE MACHINE: where the kernel of TREE for MACHINE is built
machine_obj()
{
	echo "$CACHE/obj/$1-$(machine_kernel "$2")"
}

# own_config SOURCE: has this kernel a configuration of its own for the machine
# whose file was read?
own_config()
{
	[ -n "$defconfig" ] && [ -f "$1/arch/$arch/configs/$defconfig" ]
}

# build TREE MACHINE: scripts/build without its last line
build()
{
	"$TOP/scripts/build" "$@" |
		{ grep --line-buffered -vxF "$(machine_obj "$@")" || true; }
}

# result TREE MACHINE ENGINE SUITE TEST pass|fail|skip REASON SECONDS: one row
# of results.tsv; - for what does not apply. Those of scripts/check are there, of
# what is run alone in a file beside it.
RESULTS=${RESULTS:-$OUT/${0##*/}-results.tsv}
export RESULTS
result()
{
	local IFS=$'\t'
	local row=("${@//[$'\t\n']/ }")

	[ $# -eq 8 ] || die "result: eight columns, not $#"
	row[6]=${row[6]:--}
	[ -s "$RESULTS" ] || new_results
	printf '%s\n' "${row[*]}" >>"$RESULTS"
}

# new_results: an empty results.tsv
new_results()
{
	mkdir -p "${RESULTS%/*}"
	printf '%s\t' tree machine engine suite test result reason >"$RESULTS"
	echo seconds >>"$RESULTS"
}

# table FILE: trees x machines x suites, the reasons, and the last line. Fails
# when a test failed, or none passed.
table()
{
	awk -F'\t' '
	NR == 1 { next }
	{
		key = sprintf("%-9s %-10s %-36s", $1, $2, $4)
		if (!(key in seen)) {
			seen[key] = 1
			keys[++k] = key
		}
		n[key, $6]++
		sum[$6]++
		if ($6 == "fail")
			failed[++f] = $1 " " $2 " " $4 " " $5 ": " $7
		else if ($6 == "skip") {
			why = $4 ": " $7
			if (!skipped[why]++)
				reasons[++s] = why
		}
	}
	END {
		printf "\n%-9s %-10s %-36s %6s %6s %7s\n", "tree",
			"machine", "suite", "passed", "failed", "skipped"
		for (i = 1; i <= k; i++)
			printf "%s %6d %6d %7d\n", keys[i], n[keys[i], "pass"],
				n[keys[i], "fail"], n[keys[i], "skip"]
		if (s)
			print "\nSkipped:"
		for (i = 1; i <= s; i++)
			printf "  %s (%d)\n", reasons[i], skipped[reasons[i]]
		if (f)
			print "\nFailed:"
		for (i = 1; i <= f; i++)
			print "  " failed[i]
		printf "\n%d passed, %d failed, %d skipped\n", sum["pass"],
			sum["fail"], sum["skip"]
		exit !sum["pass"] || sum["fail"] > 0
	}' "$1"
}

# engines DIRECTORY...: what each engine did on the machines whose directories
# these are, a table and $OUT/engines.tsv; and $OUT/segments.tsv, for a picture.
engines()
{
	local dir

	for dir; do
		[ ! -s "$dir/figures.tsv" ] ||
			sed "s|^|${dir##*/}\t|; s|^\([a-z]*\)-|\1\t|" \
				"$dir/figures.tsv"
	done >"$OUT/engines.tsv"
	[ -s "$OUT/engines.tsv" ] || return 0
	awk -F'\t' 'BEGIN { printf "\n%-9s %-10s %-10s %10s %10s %9s %9s %9s %9s\n",
			"tree", "machine", "engine", "interrupts", "transfers",
			"entries", "segments", "need sync", "syncs" }
		{ printf "%-9s %-10s %-10s %10d %10d %9d %9d %9d %9d\n", $1, $2,
			$3, $4, $5, $6, $7, $8, $9 }' "$OUT/engines.tsv"
	awk -F'\t' 'BEGIN { print "machine\tentries\tsegments" }
		$6 && $7 { print $2 " " $3 "\t" $6 "\t" $7 }' \
		"$OUT/engines.tsv" >"$OUT/segments.tsv"
	sed -i "1i $(printf '%s\\t' tree machine engine)$(printf '%s\\t' \
		interrupts transfers entries segments need_sync)syncs" \
		"$OUT/engines.tsv"
	[ "$(wc -l <"$OUT/segments.tsv")" -lt 2 ] ||
		"$TOP/scripts/plot" --segments "$OUT/segments.tsv"
}

# user_tree: LINUX= is a tree, if it is given. Before anything takes time.
user_tree()
{
	[ -z "${LINUX:-}" ] || linux_tree "$LINUX"
}

# need TOOL...: dies when one is not installed.
need()
{
	local tool

	for tool; do
		command -v "$tool" >/dev/null ||
			die "$tool is not installed" "run scripts/setup"
	done
}

# series_for TREE: the paths of the patches for TREE, one a line, in order: those
# of series, and those of series-lts that it needs. There, a line
# "# unless FILE has TEXT" before a patch says what makes it superfluous; without
# one that is the faux bus.
FAUX=drivers/base/faux.c
series_for()
{
	local name word file text probe=$FAUX what=

	[ ! -e "$TOP/series" ] || sed 's/#.*//' "$TOP/series" |
		while read -r name _ || [ -n "$name" ]; do
			[ -z "$name" ] || printf '%s\n' "$TOP/patches/$name"
		done
	[ -e "$TOP/series-lts" ] || return 0
	while read -r name word file _ text || [ -n "$name" ]; do
		case "$name $word" in
		'# unless')
			probe=$file what=$text ;;
		' '|'#'*)
			;;
		*)	grep -qsF -e "$what" "$1/$probe" ||
				printf '%s\n' "$TOP/patches/$name"
			probe=$FAUX what= ;;
		esac
	done <"$TOP/series-lts"
}

# series_at REPOSITORY COMMIT: the same for a tree that is not checked out
series_at()
{
	local look f

	look=$(mktemp -d)
	for f in "$FAUX" $(sed -n 's/^# unless \([^ ]*\) has .*/\1/p' \
		"$TOP/series-lts" 2>/dev/null); do
		mkdir -p "$look/${f%/*}"
		git -C "$1" show "$2:$f" >"$look/$f" 2>/dev/null ||
			rm -f "$look/$f"
	done
	series_for "$look"
	rm -rf "$look"
}

# linux_tree DIR: dies unless DIR is a Linux tree that the driver can be put in.
linux_tree()
{
	local version

	[ -d "$1" ] || die "$1 is not a directory" "name a Linux source tree"
	ls "$1"/{drivers/misc/Kconfig,include/linux/fs.h} >/dev/null 2>&1 ||
		die "$1 is not a Linux source tree" \
		    "name the directory that has the kernel's top Makefile"
	# It came with 6.12, the oldest that the series is tested with.
	[ ! -e "$1/include/linux/unaligned.h" ] || return 0
	version=$(sed -n '/^VERSION *=/,/^SUBLEVEL *=/s/.*= *//p' "$1/Makefile" |
		paste -sd.) || true
	die "$1 is too old (${version:-unknown})" "take Linux 6.12 or newer"
}
