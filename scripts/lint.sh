# SPDX-License-Identifier: GPL-2.0-only
# What the scripts behind scripts/lint share: a check with its row of results,
# a work tree that goes from patch to patch, and builds of our directory alone.
# Sourced after lib.sh, never run.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

DRIVER=drivers/misc/dma_demo
SELFTESTS=tools/testing/selftests/drivers/dma_demo
TOOL=tools/dma_demo
UAPI=include/uapi/linux/dma_demo.h
# A compiler may warn only where mainline still takes it.
LLVM_MIN=17
export CCACHE_DIR=$CACHE/ccache CCACHE_DEPEND=1 PYTHONDONTWRITEBYTECODE=1
export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=dma_demo
export KBUILD_BUILD_HOST=lint LOCALVERSION=
# The packaged python has the modules that the kernel's checkers need.
PATH=/usr/bin:$PATH

# lint_start NAME: what every part does first
lint_start()
{
	T=-
	TMP=$(mktemp -d)
	on_exit "stop_jobs; rm -rf '$TMP'"
	if [ "$1" != repo ]; then
		# Of this one, for it holds the lock
		on_exit "rm -rf '$CACHE'/tree/lint-*.new"
		[ -n "$(compgen -G "$CACHE/obj/lint-*")" ] ||
			space "$CACHE" 6144
	fi
	LINT=$1
	touch "$TMP/done.$$" "$TMP/jobs" "$TMP/jobs.done"
	CLANG=$(clang)
	[ "$LINT" = repo ] || SPARSE=$("$TOP/scripts/sparse")
	[ -s "$RESULTS" ] || new_results
	TOOLS=$({
		declare -f configure new_config fragment check_make build not_ours \
			kmake cross kselftests tool silent spelling refreshed
		digest "$TOP/configs" "$TOP/Kconfig-fragments"
		printf '%s\n' "$PATH" "$CLANG"
		{
			gcc --version
			"${CLANG:-clang}" --version
			aarch64-linux-gnu-gcc --version
			dpkg-query -W coccinelle codespell python3-sphinx
		"${SPARSE:-true}" --version
		} 2>/dev/null || true
	} | sha256sum)
}

# lint_end: how many, how many of them anew; fails when a check failed
lint_end()
{
	local all fail same

	# A job that died has no row that says so.
	if [ "$(wc -l <"$TMP/jobs")" != "$(wc -l <"$TMP/jobs.done")" ]; then
		result - - - lint "$LINT" fail "a check died before it ended" 0
		echo fail >>"$TMP/done.$$"
		say "FAILED: a check of lint $LINT died before it ended"
	fi
	all=$(cat "$TMP"/done.* | wc -l)
	fail=$(cat "$TMP"/done.* | grep -c fail || true)
	same=$(cat "$TMP"/done.* | grep -c same || true)
	say "lint $LINT: $((all - fail)) of $all checks passed ($same unchanged)"
	[ "$fail" -eq 0 ] && [ "$all" -gt 0 ]
}

# clang: the newest that is installed and new enough
clang()
{
	local c

	for c in $(compgen -c clang- | grep -E '^clang-[0-9]+$' | sort -Vr) \
		clang; do
		[ "$("$c" -dumpversion 2>/dev/null | cut -d. -f1)" -ge \
			"$LLVM_MIN" ] 2>/dev/null || continue
		echo "$c"
		return
	done
}

# check TREE MACHINE TEST KEY COMMAND...: one row of results. COMMAND fails, and
# says why, when something is wrong. KEY is what it depends on beside its own
# text: what has passed once with the same is not run again, whatever the number
# of the patch is (- as KEY: always run it). After LINT_UNTIL, seconds since 1970,
# none is begun.
check()
{
	local tree=$1 machine=$2 test=$3 key=$4 log name t0 s rc

	shift 4
	log=$OUT/logs/lint/$tree-$machine-${test//[^A-Za-z0-9_=.-]/-}.log
	# Whatever function of ours the command names is part of what is checked.
	[ "$key" = - ] ||
		key=$(sha256sum <<<"$TOOLS $(declare -f "$@" || true) $key \
${*//"$TOP"\//}" | cut -c1-32)
	name=lint/$key
	if [ "$key" != - ] && [ -z "${FORCE:-}" ] && fresh "$name" "$key"; then
		result "$tree" "$machine" - lint "$test" pass unchanged 0
		echo same >>"$TMP/done.$BASHPID"
		return
	fi
	if [ "$key" != - ] && [ -n "${LINT_UNTIL:-}" ] &&
	   [ "$(date +%s)" -gt "$LINT_UNTIL" ]; then
		skip "$tree" "$machine" "$test" \
			"no time left: make lint goes on with it"
		return
	fi
	mkdir -p "${log%/*}"
	t0=$(date +%s)
	# Not "|| rc=$?": that would switch set -e off in COMMAND.
	set +e
	(set -e; "$@") 2>&1 </dev/null | sed "s|$T/||g" >"$log"
	rc=${PIPESTATUS[0]}
	set -e
	s=$(($(date +%s) - t0))
	if [ "$rc" -eq 0 ]; then
		[ "$key" = - ] || done_with "$name" "$key"
		result "$tree" "$machine" - lint "$test" pass "" "$s"
		echo pass >>"$TMP/done.$BASHPID"
		return
	fi
	result "$tree" "$machine" - lint "$test" fail \
		"$(grep -v '^make' "$log" | { grep -m 1 -iE \
			'error|warning' || grep -m 1 . "$log"; } |
			cut -c1-200)" "$s"
	echo fail >>"$TMP/done.$BASHPID"
	say "FAILED: $tree $machine: $test ($s s)"
	head -n 20 "$log" | sed 's/^/    /'
	printf '    log: %s\n' "$log"
}

# skip TREE MACHINE TEST REASON
skip()
{
	result "$1" "$2" - lint "$3" skip "$4" 0
	say "skipped: $1 $2: $3: $4"
}

# job COMMAND...: run in the background, $JOBS of them at a time, each in a
# process group of its own so that none outlives us
job()
{
	echo job >>"$TMP/jobs"
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
		wait -n || true
	done
	set -m
	{
		"$@"
		echo job >>"$TMP/jobs.done"
	} </dev/null &
	set +m
}

stop_jobs()
{
	local p

	for p in $(jobs -p); do
		kill -TERM -- "-$p" 2>/dev/null || true
	done
}

# lint_tree TREE: sets T to a work tree of our own, BASE to the pristine kernel,
# and for each patch PATCHES, KEYS (it and all before it) and COMMITS. Patches
# are applied to an index, so that going from one to the next touches only what
# differs, and object directories stay valid.
lint_tree()
{
	local tree=$1 src key c p known fuzz=()

	src=$("$TOP/scripts/source" "$tree" | tail -n 1)
	BASE=$(git -C "$src" rev-parse -q --verify 'base^{commit}') ||
		die "$src is not a kernel of ours" "remove it and run again"
	T=$CACHE/tree/lint-$tree
	if [ "$(cat "$T/.git/lint" 2>/dev/null)" != "$src $BASE" ]; then
		rm -rf "$T" "$T.new"
		git clone -q --shared --no-checkout "$src" "$T.new"
		git -C "$T.new" config gc.auto 0
		git -C "$T.new" checkout -q -f --detach "$BASE"
		echo "$src $BASE" >"$T.new/.git/lint"
		mv "$T.new" "$T"
	fi
	rm -f "$T/.git/index.lock"
	[ "$tree" = mainline ] || fuzz=(-C1)
	mapfile -t PATCHES < <(series_for "$T")
	KEYS=() COMMITS=() known=1 key=$BASE c=$BASE
	for p in "${PATCHES[@]}"; do
		key=$(echo "$key" | cat - "$p" | sha256sum | cut -c1-40)
		if [ -z "$known" ] || ! git -C "$T" rev-parse -q --verify \
			"refs/lint/$key^{commit}" >/dev/null; then
			[ -z "$known" ] || index read-tree "$c" || return
			known=
			# Mainline is where it must fit to the line.
			index apply --cached --whitespace=nowarn \
				"${fuzz[@]}" "$p" || {
				echo "${p##*/} does not apply to $tree"
				return 1
			}
			c=$(printf '%s\n' "${p##*/}" | index commit-tree \
				-p "$c" "$(index write-tree)") || return
			git -C "$T" update-ref "refs/lint/$key" "$c"
		else
			c=$(git -C "$T" rev-parse "refs/lint/$key^{commit}")
		fi
		KEYS+=("$key") COMMITS+=("$c")
	done
	TIP=$c TIP_KEY=$key
	git -C "$T" for-each-ref --format='%(refname)' refs/lint |
		grep -vxF "$(printf 'refs/lint/%s\n' - "${KEYS[@]}")" |
		sed 's/^/delete /' | git -C "$T" update-ref --stdin || true
}

# state COMMIT PATH...: what the series has made of the kernel there, by then
state()
{
	git -C "$T" diff-tree -r "$BASE" "$1" -- "${@:2}" |
		{ echo "$BASE"; cat; } | sha256sum | cut -c1-40
}

index()
{
	GIT_INDEX_FILE=$T/.git/lint-index GIT_AUTHOR_DATE="@1 +0000" \
		GIT_COMMITTER_DATE="@1 +0000" git -C "$T" \
		-c user.name=lint -c user.email=lint@example.org "$@"
}

# go_to COMMIT: the work tree as it is after that patch, and nothing else in it
go_to()
{
	git -C "$T" checkout -q -f --detach "$1"
	git -C "$T" clean -qfdx -- "$DRIVER" "$SELFTESTS" "$TOOL"
}

# ours COMMIT PATTERN...: files that the series adds
ours()
{
	local c=$1

	shift
	git -C "$T" diff --name-only --diff-filter=A "$BASE" "$c" -- "$@"
}

# cross ARCH: the prefix of its tools
cross()
{
	local p

	case $1 in
	x86_64)	p=x86_64-linux-gnu- ;;
	i386)	p=i686-linux-gnu- ;;
	arm64)	p=aarch64-linux-gnu- ;;
	arm)	p=arm-linux-gnueabihf- ;;
	riscv64) p=riscv64-linux-gnu- ;;
	s390x)	p=s390x-linux-gnu- ;;
	esac
	[ "$1" = "$(uname -m)" ] || [ "$1$(uname -m)" = arm64aarch64 ] ||
		echo "$p"
}

# kmake OBJ ARCH COMPILER ...: make for the work tree, in the object directory
kmake()
{
	local obj=$1 arch=$2 cc=$3 prefix

	shift 3
	prefix=$(cross "$arch")
	case $arch in
	riscv64) arch=riscv ;;
	s390x)	arch=s390 ;;
	esac
	case $cc in
	gcc)	cc=${prefix}gcc ;;
	clang)	cc=$CLANG ;;
	esac
	nice make -s -C "$T" O="$obj" ARCH="$arch" CROSS_COMPILE="$prefix" \
		CC="ccache $cc" HOSTCC="ccache gcc" "$@"
}

# fragment ARCH [WORD...]: the smallest configuration that has what we need, and
# every option of ours
fragment()
{
	local w arch=$1

	shift
	printf 'CONFIG_%s=y\n' EXPERT MODULES MODULE_UNLOAD MMU SMP PCI \
		DEBUG_KERNEL RUNTIME_TESTING_MENU DEBUG_FS
	case $arch in
	x86_64)	echo CONFIG_64BIT=y ;;
	arm)	echo CONFIG_ARCH_MULTI_V7=y; echo CONFIG_ARCH_VIRT=y ;;
	esac
	for w; do
		case $w in
		nodebugfs) echo "# CONFIG_DEBUG_FS is not set" ;;
		lpae)	echo CONFIG_ARM_LPAE=y; echo CONFIG_HIGHMEM=y ;;
		pae)	printf 'CONFIG_%s=y\n' HIGHMEM HIGHMEM64G X86_PAE ;;
		esac
	done
	[[ " $* " = *" bare "* ]] ||
		sed -n 's/^config \(DMA_DEMO_.*\)/CONFIG_\1=y/p' \
			"$T/$DRIVER/Kconfig"
}

# configure OBJ ARCH COMPILER VALUE [WORD...]: CONFIG_DMA_DEMO=VALUE in that.
# The word bcm2711 takes the configuration of the Raspberry Pi 4.
configure()
{
	local obj=$1 arch=$2 cc=$3 value=$4 base=allnoconfig own last

	shift 4
	mkdir -p "$obj"
	if [[ " $* " = *" bcm2711 "* ]]; then
		base=alldefconfig
		own=$T/arch/$arch/configs/bcm2711_defconfig
		[ -f "$own" ] || own=$TOP/configs/bcm2711_defconfig
		cat "$own" "$TOP/Kconfig-fragments/dma_demo.config"
	else
		fragment "$arch" "$@"
	fi >"$obj/lint.config"
	echo "# Kconfig $(git -C "$T" hash-object "$DRIVER/Kconfig")" \
		>>"$obj/lint.config"
	last=$(cat "$obj/lint.value" 2>/dev/null || true)
	if ! cmp -s "$obj/lint.config" "$obj/lint.config.done" ||
	   [ "$value$last" != "${value/n/}${last/n/}" ]; then
		new_config "$obj" "$arch" "$cc" "$value" "$base"
		mv "$obj/lint.config" "$obj/lint.config.done"
	elif [ "$value" != "$last" ]; then
		sed -i "s/^CONFIG_DMA_DEMO=.*/CONFIG_DMA_DEMO=$value/" \
			"$obj/.config"
	fi
	echo "$value" >"$obj/lint.value"
}

# new_config OBJ ARCH COMPILER VALUE BASE: from lint.config
new_config()
{
	local obj=$1 arch=$2 cc=$3 value=$4 log=$1/lint.log

	rm -f "$obj/lint.config.done"
	{ cat "$obj/lint.config"; echo "CONFIG_DMA_DEMO=$value"; } \
		>"$obj/lint.allconfig"
	kmake "$obj" "$arch" "$cc" KCONFIG_ALLCONFIG="$obj/lint.allconfig" \
		"$5" >"$log" 2>&1 || { cat "$log"; return 1; }
	! grep -A 4 'unmet direct dep\|recursive dep' "$log" || return
	if [ "$value" = n ]; then
		! grep '^CONFIG_DMA_DEMO=' "$obj/.config" || return
	elif ! grep -qx "CONFIG_DMA_DEMO=$value" "$obj/.config"; then
		echo "CONFIG_DMA_DEMO=$value cannot be had: what does it" \
			"depend on?"
		return 1
	fi
	# What others warn about does not count.
	check_make "$obj" "$arch" "$cc" prepare >"$log" 2>&1 ||
		{ cat "$log"; return 1; }
}

# check_make OBJ ARCH COMPILER TARGET [VALUE]: with the warnings that patches get,
# and a module on mainline with sparse, too: in older trees it tracks locks
# differently, and what is built in is the same text.
check_make()
{
	local c=0

	[ "$3$T${5:-}" != "gcc$CACHE/tree/lint-mainlinem" ] || c=1
	kmake "$1" "$2" "$3" W=1 C=$c CHECK="$SPARSE" "$4"
}

# build OBJ ARCH COMPILER VALUE [WORD...]: our directory and nothing else, from
# nothing; then every word that make says is a complaint about us, but for what
# a compiler thinks of a header alone.
build()
{
	local obj=$1 arch=$2 cc=$3 value=$4 out

	configure "$@"
	rm -rf "${obj:?}/$DRIVER"
	out=$(silent check_make "$obj" "$arch" "$cc" "$DRIVER/" "$value") ||
		not_ours "$out" || return
	if [ "$value" = n ]; then
		! find "$obj/$DRIVER" -name '*.o' 2>/dev/null |
			grep . || {
			echo "built, with the option off"
			return 1
		}
	elif [ ! -f "$obj/$DRIVER/main.o" ]; then
		echo "nothing was built"
		return 1
	fi
}

# not_ours OUTPUT: prints it and fails unless it is warnings, all about headers of
# the kernel and none because of what we did with them
not_ours()
{
	local places

	places=$(grep -E '^[^ :]+:[0-9]+(:[0-9]+)?: |^[^ ]*:? \*\*\* |rror:' \
		<<<"$1" || true)
	places=${places//"$T/"/}
	if [ -n "$places" ] &&
	   ! grep -qvE '^(\./)?(include|arch)/.*: (warning|note): ' \
		<<<"$places" && ! grep -qE 'dma_demo\.h:[0-9]+:[0-9]|inlined from' <<<"$1"
	then
		return
	fi
	printf '%s\n' "$1"
	return 1
}

# kselftests OBJ CC [ARCH]: as their Makefile builds them, without a word
kselftests()
{
	local obj=$1 cc=$2 arch=${3:-x86_64}

	mkdir -p "$obj"
	kmake "$obj" "$arch" gcc headers
	rm -rf "$obj/kselftest"
	mkdir -p "$obj/kselftest"
	silent make -s -C "$T/$SELFTESTS" OUTPUT="$obj/kselftest" CC="$cc" \
		KHDR_INCLUDES="-isystem $obj/usr/include" all
}

# tool OBJ CC: what stands in tools/
tool()
{
	rm -rf "$1/tool"
	mkdir -p "$1/tool"
	silent make -s -C "$T/$TOOL" OUTPUT="$1/tool/" CC="$2" \
		EXTRA_CFLAGS=-Werror
}

# spelling FILE...: without what are words in the kernel
spelling()
{
	codespell -L iput,inflight,inout,parms,tthe "$@"
}

# refreshed TREE: the patches are in the one form that scripts/refresh writes
refreshed()
{
	local dir

	dir=$("$TOP/scripts/tree" "$1" | tail -n 1) || return
	"$TOP/scripts/refresh" --check "$dir"
}

# silent COMMAND...: fails, too, when COMMAND says something
silent()
{
	local out rc=0

	out=$("$@" 2>&1) || rc=$?
	out=$(grep -v '^  [A-Z0-9_]* *[^ ]*$' <<<"$out" || true)
	[ -z "$out" ] || { printf '%s\n' "$out"; return 1; }
	return $rc
}

# build_y_m TREE ARCH COMPILER KEY TEST [WORD...]
build_y_m()
{
	local tree=$1 arch=$2 cc=$3 key=$4 test=$5 obj v

	shift 5
	obj=$CACHE/obj/lint-$tree-$arch-$cc${1:+-$1}
	for v in y m; do
		check "$tree" "$arch" "$test $cc${1:+ $1} =$v" "$key" \
			build "$obj" "$arch" "$cc" "$v" "$@"
	done
}
