#!/bin/sh
# Runs every test, and then those of the stores once more on PostgreSQL where there is one (tools/postgres.sh).
set -eu
go=${GO:-go}
"$go" test -timeout 20m "$@"
if [ -z "${YAGURA_POSTGRES:-}" ] && [ -z "${CI:-}" ]; then
	echo "the tests of the stores ran on SQLite only: there is no PostgreSQL" >&2
	exit 0
fi
# A package has a store when its tests open databases with dbtest.
stores=$("$go" list -f '{{$p := .ImportPath}}{{range .TestImports}}{{if eq . "yagura/internal/platform/db/dbtest"}}{{$p}}{{end}}{{end}} {{range .XTestImports}}{{if eq . "yagura/internal/platform/db/dbtest"}}{{$p}}{{end}}{{end}}' "$@")
[ -n "$(echo $stores)" ] || { echo "no package with a store was found" >&2; exit 1; }
echo "once more on PostgreSQL:"
# shellcheck disable=SC2086
YAGURA_TEST_ENGINE=postgres "$go" test -timeout 20m $stores
