#!/bin/sh
# All figures, each beside its baseline in the same run. Without YAGURA_CORPUS only the benchmarks that need none.
set -eu
go test -run '^$' -bench . -benchtime 1s ./sigma ./internal/event ./internal/detect/normalise ./internal/platform/spool ./internal/platform/logstore ./internal/detect/source/...
[ -n "${YAGURA_CORPUS:-}" ] || { echo "YAGURA_CORPUS is not set: detect, ingest and search over real logs are left out" >&2; exit 0; }
go build -C tools -o ../bin/victoria-logs github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs
go build -C tools -o ../bin/bench ./bench
bin/bench -yagura bin/yagura -victoria-logs bin/victoria-logs
