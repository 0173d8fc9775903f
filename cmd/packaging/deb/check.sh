#!/usr/bin/env bash
# Checks a Debian package: check.sh PACKAGE. Lintian finds nothing, systemd finds
# little to attack, what is in it runs, and nothing that dpkg does with it, up to
# a purge, touches the state. It installs nothing on this machine.
set -euo pipefail
package=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "deb: $*" >&2
	exit 1
}
same() { [[ $2 == "$3" ]] || fail "$1: want $2, got $3"; }

# The bound on systemd's estimate, which is 10 for no protection at all.
exposure=2.0

shellcheck "$here"/{build.sh,check.sh,as-service,postinst,prerm,postrm}
lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$package"

dpkg-deb -x "$package" "$work/tree"
units=$work/tree/usr/lib/systemd/system
for unit in kvclef.service kvclef@.service; do
	systemd-analyze security --offline=true --threshold="$(awk -v e=$exposure 'BEGIN { print e * 10 }')" "$units/$unit" >"$work/security" ||
		{ cat "$work/security" >&2 && fail "$unit is exposed by more than $exposure"; }
	tail -n 1 "$work/security"
	sed "s#/usr/bin/kvclef#$work/tree/usr/bin/kvclef#" "$units/$unit" >"$work/$unit"
	systemd-analyze verify --man=no --recursive-errors=no "${work}/${unit/@/@x}" 2>"$work/verify" || true
	grep -F "$unit" "$work/verify" | grep -v 'Failed to' && fail "$unit has faults"
done
grep -qx 'ExecStart=/usr/bin/kvclef serve --config /etc/kvclef/%i.yaml' "$units/kvclef@.service" || fail "the instance has no file of its own"
grep -qx 'StateDirectory=kvclef-%i' "$units/kvclef@.service" || fail "the instance has no state of its own"

# What is in it runs, and does not start by accident.
kvclef=$work/tree/usr/bin/kvclef
"$kvclef" version
code=0
"$kvclef" serve --config "$work/tree/etc/kvclef/kvclef.yaml" 2>"$work/stderr" || code=$?
same "the configuration as it comes" 2 "$code"
grep -q 'no chain id' "$work/stderr" || fail "the configuration as it comes is refused for another reason: $(cat "$work/stderr")"
for page in man1/kvclef.1 man5/kvclef.yaml.5; do
	gzip -dc "$work/tree/usr/share/man/$page.gz" | grep '^\.TH ' >/dev/null || fail "$page is no manual page"
done
bash -n "$work/tree/usr/share/bash-completion/completions/kvclef"

# Another version, in its place: upgrade, downgrade, remove, purge.
dpkg-deb -R "$package" "$work/newer"
sed -i 's/^Version: .*/Version: 9999.0/' "$work/newer/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/newer" "$work/newer.deb" >/dev/null
version=$(dpkg-deb -f "$package" Version)

root=$work/root
mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers,parts} "$root"/var/lib/private "$root"/tmp
touch "$root"/var/lib/dpkg/{status,available}
dpkgs() { # dpkg, in the folder alone
	dpkg --root="$root" --force-not-root --force-script-chrootless --force-depends --force-confold --force-bad-path --log=/dev/null "$@" \
		>"$work/dpkg" 2>&1 || { cat "$work/dpkg" >&2 && fail "dpkg $*"; }
}
installed() {
	same "installed" "$1" "$(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Version}' kvclef)"
	same "the state" "what was spent" "$(cat "$root/var/lib/private/kvclef/state.db")"
	same "the configuration" "chainids: [1]" "$(cat "$root/etc/kvclef/kvclef.yaml")"
	same "the secret" "secret" "$(cat "$root/etc/kvclef/credentials/prod")"
}
dpkgs -i "$package"
mkdir -p "$root/var/lib/private/kvclef"
echo "what was spent" >"$root/var/lib/private/kvclef/state.db"
ln -s private/kvclef "$root/var/lib/kvclef"
echo "chainids: [1]" >"$root/etc/kvclef/kvclef.yaml"
echo "secret" >"$root/etc/kvclef/credentials/prod"
installed "$version"
dpkgs -i "$work/newer.deb"
installed 9999.0
dpkgs -i "$package" # which is a downgrade
installed "$version"
dpkgs -r kvclef
[[ ! -e $root/usr/bin/kvclef ]] || fail "a removed package leaves the program"
same "the state" "what was spent" "$(cat "$root/var/lib/private/kvclef/state.db")"
dpkgs -P kvclef
same "the state after a purge" "what was spent" "$(cat "$root/var/lib/private/kvclef/state.db")"
grep -q 'private/kvclef is left' "$work/dpkg" || fail "a purge does not tell what it leaves"
echo "deb: $(basename "$package") is fine"
