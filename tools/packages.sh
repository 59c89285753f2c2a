#!/bin/sh
# Installs the Debian packages that the tests talk to, when root and missing. Without root, the tests that
# need a missing one skip and say so.
set -eu
missing=""
for package in chromium rsyslog rsyslog-elasticsearch rsyslog-openssl rsyslog-gnutls postgresql curl zstd fonts-noto-cjk libreoffice-calc-nogui poppler-utils fonts-morisawa-bizud-gothic; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
command -v npm >/dev/null || missing="$missing npm" # however it came; axe-core comes by it
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing Debian packages:$missing (tests that need them are skipped)" >&2
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Not every release has every package: Ubuntu has chromium as a snap only.
there=""
for package in $missing; do
	if LC_ALL=C apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
		there="$there $package"
	else
		echo "no package $package in this release (tests that need it are skipped)" >&2
	fi
done
[ -n "$there" ] || exit 0
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $there >/dev/null
