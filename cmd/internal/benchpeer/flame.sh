#!/usr/bin/env bash
# Flame graphs of Clef and kvclef under the same load, to docs/images. Needs perf
# and the right to use it, Perl, and FlameGraph: a checkout of
# https://github.com/brendangregg/FlameGraph. Downloads nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

flamegraph=${FLAMEGRAPH:?give the folder of a checkout of https://github.com/brendangregg/FlameGraph, such as make flame FLAMEGRAPH=/tmp/FlameGraph}
for file in stackcollapse-perf.pl flamegraph.pl; do
	[[ -f "$flamegraph/$file" ]] || { echo "flame: $flamegraph has no $file: is it a checkout of FlameGraph?" >&2; exit 1; }
done
command -v perf >/dev/null || { echo "flame: no perf: install linux-perf" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
images=${IMAGES:-docs/images}
contenders=(clef-free kvclef-policy kvclef-js)
${GO:-go} run ./cmd/internal/benchpeer -kvclef bin/kvclef -clef .ci/tools/bin/clef -rounds 1 -window "${WINDOW:-20s}" \
	-only "$(IFS=,; echo "${contenders[*]}")" -callers 8 -transports ipc -offered none -profile "$work"

title() {
	case $1 in
	clef-free) echo "Clef 1.17.3, key derivation made free" ;;
	kvclef-policy) echo "kvclef, a policy with a limit" ;;
	kvclef-js) echo "kvclef, a rule file" ;;
	esac
}

for name in "${contenders[@]}"; do
	perf script --input "$work/$name.perf" 2>/dev/null | perl "$flamegraph/stackcollapse-perf.pl" >"$work/$name.folded"
	# Narrow ones would take most of the file. FlameGraph's script goes: the titles show
	# the names, and its licence is its own.
	perl "$flamegraph/flamegraph.pl" --minwidth 0.7% --width 1200 --hash --countname ns \
		--title "$(title "$name"): account_signTransaction, 8 callers, IPC" "$work/$name.folded" |
		perl -0pe 's{<script.*?</script>\n?}{}s; s{ onload="init\(evt\)"}{}; s{<text id="(?:details|unzoom|search|ignorecase|matched)".*?</text>\n?}{}gs; s{\s*#(?:search|ignorecase|unzoom).*?\}(?=\n)}{}g' >"$images/flame-$name.svg"
	echo "$images/flame-$name.svg: $(wc -c <"$images/flame-$name.svg") bytes, $(awk '{n += $NF} END {printf "%.1f", n / 1e9}' "$work/$name.folded") s of processor time"
done
