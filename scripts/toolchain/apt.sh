# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Where packages come from, and what to say when they do not come. Sourced after lib.sh.

# The host's own Debian mirror, so that no host is named here: what the archive says of itself in
# the lists that apt has fetched; where there are none, the address that is configured with a suite
# as only Debian has it.
host_mirror() {
	# shellcheck disable=SC2016
	_m=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
		awk -F '|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }')
	[ -n "$_m" ] || _m=$(apt-get update --print-uris 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/[a-z]*-updates/InRelease'.*|\1|p" | head -n 1)
	[ -n "$_m" ] || _m=$(apt-get update --print-uris 2>/dev/null |
		sed -nE "s#^'(.*)/dists/(bookworm|trixie|forky|(old)?stable|testing|sid)/InRelease'.*#\1#p" | head -n 1)
	printf '%s\n' "$_m"
}

mirror() {
	_m=${FERRODMA_MIRROR:-$(host_mirror)}
	case $_m in
	mirror+file:*)
		# A list of mirrors in a file: its first line.
		_m=$(awk '!/^#/ && NF { print $1; exit }' "${_m#mirror+file:}" 2>/dev/null) ;;
	esac
	[ -n "$_m" ] ||
		die "apt on this system knows no Debian mirror; name one:" "make FERRODMA_MIRROR=<base URI> ..."
	printf '%s\n' "${_m%/}"
}

keyring() {
	[ -e "/usr/share/keyrings/debian-archive-$SUITE-stable.gpg" ] ||
		die "the keys of Debian $SUITE are not installed:" "$(as_root)apt-get install debian-archive-keyring"
	echo /usr/share/keyrings/debian-archive-keyring.gpg
}

# sources <mirror>: lines of sources.list for the pinned release.
sources() {
	for _s in "$SUITE" "$SUITE-updates" "$SUITE-backports"; do
		echo "deb [signed-by=$(keyring)] $1 $_s main"
	done
	# What the mirror holds no longer; its index is old by nature.
	[ -z "${FERRODMA_SNAPSHOT:-}" ] || for _s in "$SUITE" "$SUITE-backports"; do
		echo "deb [signed-by=$(keyring) check-valid-until=no] ${FERRODMA_SNAPSHOT%/} $_s main"
	done
}

# explain <log> <mirror> <what>: say in one sentence why apt failed, and end.
explain() {
	_from=$2 _name=FERRODMA_MIRROR
	# The one that apt complains of.
	if [ -n "${FERRODMA_SNAPSHOT:-}" ] && grep -E '^[EW]: ' "$1" | grep -qF "${FERRODMA_SNAPSHOT%/}"; then
		_from=$FERRODMA_SNAPSHOT _name=FERRODMA_SNAPSHOT
	fi
	if grep -qE 'No space left' "$1"; then
		die "the disk became full while fetching $3; name a roomier folder:" "make FERRODMA_CACHE=<folder> ..."
	elif grep -qE 'resolv|Could not connect|Cannot initiate|Connection (refused|timed out|failed)|Network is unreachable|[Nn]o route to host|Unable to connect' "$1"; then
		die "no network to $_from, which is needed once to fetch $3; name another:" "make $_name=<base URI> ..."
	elif grep -qE "does not have a Release file|no longer has a Release file" "$1"; then
		die "$_from does not hold Debian $SUITE; name another:" "make $_name=<base URI> ..."
	elif grep -qE "was not found|no installation candidate|Unable to (locate|find)|404 +Not Found" "$1"; then
		grep -E "was not found|no installation candidate|Unable to (locate|find)|404 +Not Found" "$1" | head -n 3 >&2
		die "$2${FERRODMA_SNAPSHOT:+ or $FERRODMA_SNAPSHOT} does not hold a pinned version of $3 (scripts/toolchain/versions); name a Debian snapshot that does:" \
			"make FERRODMA_SNAPSHOT=<base URI of the snapshot> ..."
	fi
	tail -n 15 "$1" >&2
	die "fetching $3 failed; the whole log is $1"
}
