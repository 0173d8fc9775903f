#!/usr/bin/env bash
# Makes the Debian package of a binary: build.sh BINARY COMMON VERSION ARCH OUTPUT,
# where COMMON is a folder with the manual pages, the completions and the licences.
# The same files and SOURCE_DATE_EPOCH give the same bytes.
set -euo pipefail
umask 022
binary=$1 common=$2 version=$3 arch=$4 output=$5
: "${SOURCE_DATE_EPOCH:?}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

root=$(mktemp -d)
chmod 0755 "$root"
trap 'rm -rf "$root"' EXIT
put() { install -D -m "$1" "$2" "$root/$3"; }

put 0755 "$binary" usr/bin/kvclef
put 0755 "$here/as-service" usr/libexec/kvclef/as-service
put 0644 "$here/kvclef.service" usr/lib/systemd/system/kvclef.service
put 0644 "$here/kvclef.yaml" etc/kvclef/kvclef.yaml
install -d -m 0700 "$root/etc/kvclef/credentials"
put 0644 "$common/kvclef.1" usr/share/man/man1/kvclef.1
put 0644 "$common/kvclef.yaml.5" usr/share/man/man5/kvclef.yaml.5
put 0644 "$common/completions/kvclef.bash" usr/share/bash-completion/completions/kvclef
put 0644 "$common/completions/kvclef.zsh" usr/share/zsh/vendor-completions/_kvclef
put 0644 "$common/completions/kvclef.fish" usr/share/fish/vendor_completions.d/kvclef.fish
put 0644 "$here/copyright" usr/share/doc/kvclef/copyright
put 0644 "$here/README.Debian" usr/share/doc/kvclef/README.Debian
put 0644 "$common/NOTICES.txt" usr/share/doc/kvclef/NOTICES.txt
put 0644 "$here/lintian-overrides" usr/share/lintian/overrides/kvclef

# A second unit for further signers on one machine: kvclef@NAME.
sed -e 's#/etc/kvclef/kvclef\.yaml#/etc/kvclef/%i.yaml#' \
	-e 's#^\(User\|StateDirectory\|RuntimeDirectory\)=kvclef$#\1=kvclef-%i#' -e 's#%S/kvclef$#%S/kvclef-%i#' \
	-e 's#^\(Description=.*\)$#\1 (%i)#' "$here/kvclef.service" >"$root/usr/lib/systemd/system/kvclef@.service"

# Debian's versions have no dash, and "~" sorts before the release.
version=${version//-/\~}
printf 'kvclef (%s) unstable; urgency=medium\n\n  * Version %s: see docs/ in the source.\n\n -- %s  %s\n' \
	"$version" "$version" "kvclef maintainers <kvclef@users.noreply.github.com>" \
	"$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$root/usr/share/doc/kvclef/changelog"
gzip -9n "$root"/usr/share/man/man*/* "$root"/usr/share/doc/kvclef/{changelog,NOTICES.txt}

install -d "$root/DEBIAN"
for script in postinst prerm postrm; do
	put 0755 "$here/$script" "DEBIAN/$script"
done
echo /etc/kvclef/kvclef.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<END
Package: kvclef
Version: $version
Architecture: $arch
Maintainer: kvclef maintainers <kvclef@users.noreply.github.com>
Installed-Size: $(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: ca-certificates
Suggests: acl
Section: net
Priority: optional
Homepage: https://github.com/kvclef/kvclef
Description: external signer for Ethereum nodes, with keys in Azure Key Vault
 kvclef speaks Clef's external API to geth and other clients, decides by a
 policy what is signed, and signs with secp256k1 keys that never leave Azure
 Key Vault or Managed HSM. Limits are exact, and every signature has its entry
 in a hash-chained audit log.
END
(cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$output" >/dev/null
