# SPDX-License-Identifier: GPL-2.0-only
# An apt of our own: it reads Debian suites that this machine is not set up for
# (backports, a later release) and leaves the system's lists alone. No archive is
# named here: the address is the one that this machine installs from.
# Sourced after lib.sh, never run.
# shellcheck shell=bash

# codename: of the Debian release that we run on, such as bookworm.
codename()
{
	sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
}

# archive SUITE: the address of the archive that this machine has SUITE from.
archive()
{
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
		'Created-By: Packages' |
		awk -v s="$1" '$2 == s { print $1; exit }'
}

# own_apt DIR SUITE...: sets the array APT to the options that make apt-get and
# apt-cache use DIR for their lists, and these suites only. A suite that the
# machine itself does not use is looked for in its release's archive, or for
# security updates beside it.
own_apt()
{
	local dir=$1 suite uri
	local key=/usr/share/keyrings/debian-archive-keyring.gpg

	shift
	need apt-get
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for suite; do
		uri=$(archive "$suite")
		if [ -z "$uri" ]; then
			uri=$(archive "$(codename)")
			[[ $suite != *-security ]] || uri=${uri%/}-security
		fi
		[ -n "$uri" ] ||
			die "apt knows no archive for $(codename)" \
			    "run apt-get update; is Debian's in sources.list?"
		echo "deb [signed-by=$key] $uri $suite main"
	done >"$dir/sources.list"
	# shellcheck disable=SC2034 # used by the scripts that source this
	APT=(-qq -oDir::Etc::sourcelist="$dir/sources.list"
	     -oDir::Etc::sourceparts=/dev/null
	     -oDir::State::Lists="$dir/lists"
	     -oDir::Cache="$dir/cache"
	     -oAPT::Sandbox::User=root -oAcquire::Retries=2
	     -oAPT::Update::Error-Mode=any)
}
