#!/usr/bin/env bash
# Builds what is published: an archive for each platform, an SPDX document of
# what they are made of, and SHA256SUMS, in DIST (bin/release).
#
# The same commit and the same Go give the same bytes, wherever and whenever it
# is built: see release-check.sh. There is no cgo, so that this needs no C
# compiler, a binary needs no library, and every platform is built everywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
dist=$(mkdir -p "${DIST:-bin/release}" && cd "${DIST:-bin/release}" && pwd)

if [[ -n $(git status --porcelain) && -z ${DIRTY:-} ]]; then
	echo "release: the work tree has changes, and a release is made of a commit: commit or stash them; DIRTY=1 builds what is no release" >&2
	exit 1
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)

# Nothing of the builder's environment changes what is built: neither variables
# nor what "go env -w" wrote, but for where modules come from. The Go is the one
# that go.mod names, which an installed one fetches by itself; TOOLCHAIN=local
# takes that as it is.
for name in GOPROXY GOSUMDB GONOSUMDB GOPRIVATE GOINSECURE GOMODCACHE GOCACHE; do
	export "$name=$(go env "$name")"
done
export GOENV=off GOTOOLCHAIN=${TOOLCHAIN:-$(awk '$1 == "toolchain" { print $2 }' go.mod)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C CGO_ENABLED=0 GOFLAGS='' GOWORK=off GOAMD64=v1 GOARM64=v8.0 GOFIPS140=off
unset GOEXPERIMENT GOOS GOARCH
umask 022

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# -trimpath does not reach what an assembler file includes from another folder:
# its path, and so the builder's, would stand in the binary. The assembler is told
# to take that off, too, and says that it is another one, so that what it makes
# is not mixed in the cache with what others made.
cat >"$build/toolexec" <<'END'
#!/usr/bin/env bash
tool=$1
shift
if [[ ${tool##*/} != asm ]]; then
	exec "$tool" "$@"
elif [[ $* == -V=full ]]; then
	echo "$("$tool" -V=full) trimmed"
	exit
fi
args=()
while (($#)); do
	args+=("$1")
	if [[ $1 == -trimpath ]]; then
		args+=("$2;$GOMODCACHE=>")
		shift
	fi
	shift
done
exec "$tool" "${args[@]}"
END
chmod +x "$build/toolexec"

# gobuild OS ARCH OUTPUT
gobuild() {
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -toolexec="$build/toolexec" -ldflags='-s -w' -o "$3" ./cmd/kvclef
}

host=$(go env GOHOSTOS)-$(go env GOHOSTARCH)
for target in $targets; do
	echo "release: building for $target"
	mkdir "$build/${target/\//-}"
	suffix=
	[[ $target == windows/* ]] && suffix=.exe
	gobuild "${target%/*}" "${target#*/}" "$build/${target/\//-}/kvclef$suffix"
done
[[ -d $build/$host ]] || gobuild "${host%-*}" "${host#*-}" "$build/$host/kvclef"
kvclef=$build/$host/kvclef

version=$(go version -m "$kvclef" | awk '$1 == "mod" { print $3 }')
[[ $version != "(devel)" ]] || version=v0.0.0-devel # Go does not tell it in a work tree beside the clone
version=${version#v}
common=$build/common
mkdir -p "$common/completions"
"$kvclef" man >"$common/kvclef.1"
for shell in bash zsh fish powershell; do
	"$kvclef" completion "$shell" >"$common/completions/kvclef.$shell"
done
cmd/packaging/configuration-man.sh "$version" >"$common/kvclef.yaml.5"
cp LICENSE README.md "$common/"

linked=()
for target in $targets; do
	name=kvclef_${version}_${target/\//_}
	mv "$build/${target/\//-}" "$build/$name"
	linked+=("$name=$(echo "$build/$name"/kvclef*)")
done

root=$PWD
(cd cmd/packaging/sbom && go build -trimpath -o "$build/sbom" .)
"$build/sbom" -root "$root" -package ./cmd/kvclef -version "v$version" -created "$SOURCE_DATE_EPOCH" \
	-o "$dist/kvclef_$version.spdx.json" -notices "$common/NOTICES.txt" "${linked[@]}"

published=("kvclef_$version.spdx.json")
for one in "${linked[@]}"; do
	name=${one%%=*}
	cp -R "$common/." "$build/$name/"
	arch=${name##*_}
	if [[ $name == *_linux_* ]] && command -v dpkg-deb >/dev/null; then
		deb=kvclef_${version//-/\~}_$arch.deb
		cmd/packaging/deb/build.sh "$build/$name/kvclef" "$common" "$version" "$arch" "$dist/$deb"
		published+=("$deb")
	fi
	find "$build/$name" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	if [[ $name == *_windows_* ]]; then
		rm -f "$dist/$name.zip"
		(cd "$build" && find "$name" -type f | sort | zip -q -X -D -9 "$dist/$name.zip" -@)
		published+=("$name.zip")
	else
		tar -C "$build" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
			--mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n -9 >"$dist/$name.tar.gz"
		published+=("$name.tar.gz")
	fi
done
(cd "$dist" && printf '%s\n' "${published[@]}" | sort | xargs sha256sum >SHA256SUMS)
echo "release: $dist/SHA256SUMS lists what was built"
