#!/usr/bin/env bash
# Builds the release twice, by different users as it were: in two folders, with
# a compiler cache of its own, another home, time zone, language and umask. Every
# byte must be the same, and no path of a builder may be in it. What was built goes
# to DIST, if that is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
dist=${DIST:+$(mkdir -p "$DIST" && cd "$DIST" && pwd)}
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
other="$work/another folder/with/a/longer/name"
mkdir -p "$other" "$work/home"
modules=$(go env GOMODCACHE)
proxy=$(go env GOPROXY) sumdb=$(go env GOSUMDB)

git clone -q . "$work/a"
git clone -q . "$other/b"
DIST=$work/first "$work/a/cmd/packaging/release.sh"
ln -s "$modules" "$work/home/modules"
(
	umask 077
	env HOME="$work/home" GOCACHE="$work/cache" GOMODCACHE="$work/home/modules" GOPROXY="$proxy" GOSUMDB="$sumdb" \
		TZ=Asia/Kathmandu LC_ALL=C.UTF-8 LANG=C.UTF-8 DIST="$work/second" "$other/b/cmd/packaging/release.sh"
)

cd "$work"
diff -r first second
mkdir unpacked
for archive in second/*.tar.gz; do tar -C unpacked -xzf "$archive"; done
for package in second/*.deb; do [[ ! -e $package ]] || dpkg-deb -R "$package" "unpacked/${package##*/}"; done
for path in "$work" "$modules" "$HOME/" "$(go env GOROOT)"; do
	if [[ $path != / ]] && grep -rlF -- "$path" unpacked; then
		echo "release-check: the path $path of the builder is in these" >&2
		exit 1
	fi
done
(cd second && sha256sum --quiet -c SHA256SUMS)
echo "release-check: both are the same"
sed 's/^/  /' second/SHA256SUMS
[[ -z $dist ]] || cp second/* "$dist"
