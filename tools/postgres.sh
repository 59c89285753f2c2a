#!/bin/sh
# Starts a PostgreSQL server of its own from Debian's packages, runs a command with YAGURA_POSTGRES set to its URL, and leaves nothing behind:
#   tools/postgres.sh go test ./internal/platform/db
# Where YAGURA_POSTGRES is set already, that server is used. Where there is no PostgreSQL, the command runs without one.
# With YAGURA_POSTGRES_DURABLE=1 it waits for the disk as a real server does: for measuring.
set -eu
if [ -n "${YAGURA_POSTGRES:-}" ]; then exec "$@"; fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -1)
if [ -z "$bin" ]; then
	echo "no PostgreSQL here: what needs it is skipped (apt-get install postgresql)" >&2
	exec "$@"
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/yagura-postgres-XXXXXX")
as=""
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	chown postgres "$dir"
	as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
stop() {
	trap - EXIT INT TERM
	$as "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U yagura -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
# No port: the socket lies in the folder. Nothing here must survive a power cut.
hurry="-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
[ -z "${YAGURA_POSTGRES_DURABLE:-}" ] || hurry=""
$as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
	-o "-c listen_addresses='' -c unix_socket_directories='$dir' $hurry -c max_connections=300" start >"$dir/log" 2>&1 ||
	{ cat "$dir/log" "$dir/data/log" >&2; exit 1; }
cd "$OLDPWD"
YAGURA_POSTGRES="postgres:///postgres?host=$dir&user=yagura"
export YAGURA_POSTGRES
"$@" &
wait $! && code=0 || code=$?
exit $code
