#!/bin/sh
# Runs every fuzz target of the module for the given time, one after another.
set -eu
time=${1:-30s}
dirs=$(go list -f '{{.Dir}}' ./...) # not in the pipe, where its failure would be none
echo "$dirs" | while read -r dir; do
	grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r target; do
		echo "== $dir $target"
		(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" .)
	done
done
