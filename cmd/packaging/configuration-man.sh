#!/usr/bin/env bash
# Prints kvclef.yaml(5), made of docs/configuration.md: configuration-man.sh VERSION.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# lists makes tables into lists of terms, for a page is narrow: what stands in the
# third column and further has the column's name before it.
lists() {
	awk -F ' *[|] *' '
		/^[|]/ && !table { table = 1; split($0, column); next }
		/^[|][-|: ]*$/ { next }
		/^[|]/ {
			text = $3
			for (i = 4; i < NF; i++) if ($i != "") text = text " (" column[i] ": " $i ")"
			printf "%s\n: %s\n\n", $2, text
			next
		}
		{ table = 0; print }'
}

page=$(mktemp -d)
trap 'rm -rf "$page"' EXIT
{
	printf '%% KVCLEF.YAML 5 "%s" "kvclef %s" "File Formats"\n\n' "$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" +%F)" "${1:-}"
	printf '# NAME\n\nkvclef.yaml - configuration of kvclef\n\n# DESCRIPTION\n'
	# Sections are one level higher there, and links lead nowhere.
	sed -E -e 1d -e 's/^## /# /' -e 's/^### /## /' -e 's/\[([^]]*)\]\([^)]*\)/\1/g' docs/configuration.md | lists
	printf '\n# SEE ALSO\n\nkvclef(1), https://github.com/kvclef/kvclef\n'
} >"$page/in.md"
go run -trimpath github.com/cpuguy83/go-md2man/v2 -in "$page/in.md" -out "$page/out.5"
cat "$page/out.5"
