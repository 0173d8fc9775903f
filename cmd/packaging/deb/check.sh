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

# What it asks of the kernel, the unit permits. The service manager is not here to
# try that, so the system calls of a start, a signature and an end are compared with
# the unit's list.
expand() { # GROUP or CALL...: system calls, a line each
	local word
	for word in "$@"; do
		if [[ $word == @* ]]; then
			mapfile -t members < <(systemd-analyze syscall-filter "$word" | sed -n 's/^    \([^# ]*\)$/\1/p')
			[[ ${#members[@]} -gt 0 ]] || fail "systemd knows no system calls $word"
			expand "${members[@]}"
		else
			echo "$word"
		fi
	done
}
expand @default >"$work/allowed"
while IFS= read -r words; do
	read -ra words <<<"$words"
	if [[ ${words[0]} == ~* ]]; then
		words[0]=${words[0]#\~}
		expand "${words[@]}" | sort -u >"$work/denied"
		sort -u "$work/allowed" | comm -23 - "$work/denied" >"$work/rest"
		mv "$work/rest" "$work/allowed"
	else
		expand "${words[@]}" >>"$work/allowed"
	fi
done < <(sed -n 's/^SystemCallFilter=//p' "$units/kvclef.service")

strace -f -qq -o "$work/trace" "$kvclef" dev --approve-all --datadir "$work/data" --http.port 0 >"$work/dev" 2>&1 &
tracer=$!
for ((i = 0; i < 300; i++)); do
	grep -q '127\.0\.0\.1:' "$work/dev" && [[ -S $work/data/kvclef.ipc ]] && break
	sleep 0.1
done
port=$(sed -n 's#.*http://127\.0\.0\.1:\([0-9]*\).*#\1#p' "$work/dev" | head -n 1)
account=$(grep -o '0x[0-9a-fA-F]\{40\}' "$work/dev" | head -n 1)
body='{"jsonrpc":"2.0","id":1,"method":"account_signData","params":["text/plain","'$account'","0x68656c6c6f"]}'
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'POST / HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body" >&3
grep -q '"result":"0x[0-9a-f]\{130\}"' <&3 || fail "nothing was signed: $(cat "$work/dev")"
exec 3>&-
"$kvclef" state backup "$work/copy.db" --datadir "$work/data" >/dev/null
kill -TERM "$(head -n 1 "$work/trace" | cut -d ' ' -f 1)"
wait $tracer || true
sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$work/trace" | sort -u >"$work/used"
grep -qx fdatasync "$work/used" || fail "the trace has not even a write to the state"
refused=$(sort -u "$work/allowed" | comm -13 - "$work/used")
[[ -z $refused ]] || fail "the unit does not permit what kvclef asks for: $refused"
echo "deb: the unit permits the $(wc -l <"$work/used") system calls that are made"

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
