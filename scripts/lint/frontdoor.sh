#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the front door says to those who ask for what cannot be: a sentence with the cause and the
# one command that helps, before anything is fetched or built. Tries it in a copy of what the front
# door is made of. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

unset V BOARD T TESTS L WITH BUGS UPDATE FERRODMA_TURN FERRODMA_CONFIG FERRODMA_TIMEOUT FERRODMA_EFFORT FERRODMA_CALLS FERRODMA_SEED FERRODMA_MIRROR
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
clone=$tmp/clone
mkdir "$clone"
cd "$TOP"
tar -cf - .ci Makefile scripts tests | tar -xf - -C "$clone"
cd "$clone"

# says <extended regular expression> <command>...: it fails with these words, and has made nothing
# in the cache or the clone.
says() {
	_words=$1
	shift
	mkdir "$tmp/cache"
	_before=$(find .)
	! env FERRODMA_CACHE="$tmp/cache" timeout 20 "$@" >"$tmp/log" 2>&1 </dev/null || die "this does not fail: $*"
	tr '\n' ' ' <"$tmp/log" | grep -qE "$_words" || {
		cat "$tmp/log" >&2
		die "this does not say '$_words': $*"
	}
	rmdir "$tmp/cache" || die "this has made something: $*"
	[ "$(find .)" = "$_before" ] || die "this has built something: $*"
}

# A value that there is not: the names that there are.
boards='amd-versal-virt amd-versal2-virt raspi3b raspi4b'
for target in run shell check check-debug; do
	says "BOARD: .* nope; there are: $boards +make $target BOARD=amd-versal-virt" make $target BOARD=nope
	says "FERRODMA_TIMEOUT .* '1m' +make $target FERRODMA_TIMEOUT=[0-9]+" make $target FERRODMA_TIMEOUT=1m
done
says 'there are: amd-versal-virt raspi3b +make bench BOARD=' make bench BOARD=raspi4b
says 'WITH: there is no nothing .* make run WITH=' make run WITH=nothing
says 'WITH: there is no nothing .* make shell WITH=' make shell WITH=nothing
says 'WITH: make run executes a program, .* make shell WITH=tests ' make run WITH=tests
says 'WITH: .* another machine .* aarch64-linux-gnu-gcc ' make run WITH="$(command -v "gcc-$GCC_VERSION")"
says 'make bench FERRODMA_TIMEOUT=' make bench FERRODMA_TIMEOUT=0
says 'one machine .* make run BOARD=raspi3b ' make run BOARD=raspi3b,raspi4b
says 'TESTS: .* nope; there are: pins .*fuzz .*info_32 .*faulty.sh .*make check TESTS=pins' make check TESTS=fuzz,nope
says '0 passed, 1 failed' make check TESTS=nope
says 'T: .* nope; there are: pins .*faulty.sh .*make test T=pins' make test T=faulty,nope
says 'T names no test; there are: pins .*make test T=pins' make test
says "BOARD: .* nope; there are: $boards +make test BOARD=" make test T=pins BOARD=nope
says 'L: .* nope; there are: shellcheck .*make lint L=shellcheck' make lint L=rustfmt,nope
says "FERRODMA_TURN .* 'mine' " make check FERRODMA_TURN=mine
says 'BUGS: .* nope; there are: .*bound-off-by-one .*make check-all BUGS=' make check-all BUGS=nope
says 'TESTS: .* make check-debug TESTS=' make check-debug TESTS='*'
says 'BUGS: .* nope; there are: .*bound-off-by-one .*make self-test BUGS=' make self-test BUGS=nope
says "FERRODMA_EFFORT .* '10%' .*FERRODMA_EFFORT=25" make check FERRODMA_EFFORT=10%
says "FERRODMA_CALLS .* 'many' " make check-debug FERRODMA_CALLS=many
says "FERRODMA_SEED .* '0xyz' " make check FERRODMA_SEED=0xyz
says 'FERRODMA_CONFIG: .* nope; there are: debug ' make run FERRODMA_CONFIG=nope
says 'FERRODMA_CONFIG: .* nope; there are: debug ' make modules FERRODMA_CONFIG=nope

# A path that kernel builds do not take: that one, and not the other.
for name in 'a clone' a:clone; do
	mv "$clone" "$tmp/$name"
	cd "$tmp/$name"
	says "the clone is .*$name: +mv '$tmp/$name' " make run
	cd "$tmp"
	mv "$tmp/$name" "$clone"
done
cd "$clone"
mkdir "$tmp/a cache"
says 'the cache folder is .*a cache: +make FERRODMA_CACHE=' make run FERRODMA_CACHE="$tmp/a cache"

# Who is not root needs namespaces. This system has them, so that what asks for them is given a
# poorer one.
mkdir "$tmp/poor"
for name in sh dirname uname cat grep awk; do
	ln -s "$(command -v "$name")" "$tmp/poor/"
done
cat >"$tmp/poor/id" <<'END'
#!/bin/sh
[ "$1" = -un ] && echo tester || echo 54321
END
printf '#!/bin/sh\nexit 1\n' >"$tmp/poor/unshare"
chmod +x "$tmp/poor/id" "$tmp/poor/unshare"
poor() { says "$1" env PATH="$tmp/poor" sh -c '. ./scripts/lib.sh && need_namespaces' scripts/lint/frontdoor.sh; }
poor 'uidmap, .* is not installed: +sudo apt-get install uidmap'
cp "$tmp/poor/unshare" "$tmp/poor/newuidmap"
poor 'tester has no range in /etc/subuid .* +sudo usermod --add-subuids [0-9]+-[0-9]+ --add-subgids [0-9]+-[0-9]+ tester'

# What belongs to another user. Only root can make that so.
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$tmp"
	says_user() {
		_said=$1
		shift
		says "$_said" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	}
	says_user "cannot write to the clone .*/clone, which belongs to root: +git clone $clone " make run
	chown -R 65534:65534 "$clone"
	says_user "cannot write to the cache folder $tmp/cache, which belongs to root: +make FERRODMA_CACHE=" make run
	says_user 'cannot make the cache folder /proc/nowhere; .* make FERRODMA_CACHE=' make run FERRODMA_CACHE=/proc/nowhere
	mkdir build
	says_user "cannot write to what was built in .*/clone/build, which belongs to root: +sudo make clean" make run
	rmdir build
fi

# CI: a part that is left out has failed, and the total of all is the last line. make is a stand-in
# that says what it was given, and git one that has a commit.
mkdir "$tmp/bin"
cat >"$tmp/bin/make" <<END
#!/bin/sh
sleep "\${SLOW:-0}"
echo "make \$* on turn \$FERRODMA_TURN with \${FERRODMA_CALLS:-its own number of} calls"
[ -z "\$FAILED" ] || echo "  FAIL  host      this test of \$1  (its detail)"
[ -z "\$BROKEN" ] || exit 2
echo "2 passed, \${FAILED:-0} failed"
END
cat >"$tmp/bin/git" <<END
#!/bin/sh
echo "\${COMMIT:-00000020123456789}"
END
chmod +x "$tmp/bin/make" "$tmp/bin/git"
# ci <variable>...: what it says, and its exit status.
ci() { env PATH="$tmp/bin:$PATH" "$@" timeout 20 .ci/run 2>&1 </dev/null && echo "good" || echo "bad"; }
# ends <what was said> <lines of it>: these are the last ones.
ends() { [ "$(printf '%s\n' "$1" | tail -n "$(printf '%s\n' "$2" | wc -l)")" = "$2" ] || die ".ci/run does not end with '$2' but: $1"; }
said=$(ci SECONDS=0)
ends "$said" "8 passed, 0 failed
good"
for part in "make check on turn 2 with its own number of calls" "make check-debug on turn 0 with 200000 calls" \
	"make bench on turn 2 with its own number of calls" "make self-test BUGS=.* on turn 2 with its own number of calls"; do
	printf '%s\n' "$said" | grep -qx "$part" || die ".ci/run does not call '$part': $said"
done
# The failures of all come again at the end.
ends "$(ci SECONDS=0 FAILED=1 | sed 's/BUGS=[^:]*/BUGS=some/')" "what failed:
    make check: host      this test of check  (its detail)
    make check-debug: host      this test of check-debug  (its detail)
    make bench: host      this test of bench  (its detail)
    make self-test BUGS=some: host      this test of self-test  (its detail)
8 passed, 4 failed
bad"
ends "$(ci SECONDS=0 BROKEN=1 | grep -v self-test)" "what failed:
    make check: ended without its last line
    make check-debug: ended without its last line
    make bench: ended without its last line
0 passed, 4 failed
bad"
ends "$(ci SECONDS=4199 SLOW=2)" "what failed:
    make check: left out after 69 minutes, as it must begin before 40
    make check-debug: left out after 69 minutes, as it must begin before 45
4 passed, 2 failed
bad"
# As many commits as it takes plant each bug once, at most six at a time.
for commit in 0 1 2 3 4 5 6 7 8 9; do
	ci SECONDS=0 COMMIT="000000${commit}f" | sed -n 's/^make self-test BUGS=\(.*\) on turn.*/\1/p' >"$tmp/bugs"
	[ "$(tr , '\n' <"$tmp/bugs" | wc -l)" -le 6 ] || die ".ci/run plants more than six bugs: $(cat "$tmp/bugs")"
	! grep -qxFf "$tmp/bugs" "$tmp/planted" 2>/dev/null || break
	cat "$tmp/bugs" >>"$tmp/planted"
done
[ "$(tr , '\n' <"$tmp/planted" | sort)" = "$(basename -s .patch tests/bugs/*.patch | sort)" ] ||
	die ".ci/run does not plant each bug on its turn, and once: $(cat "$tmp/planted")"
