package logstore

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"path"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/platform/fault"
)

// engineFlags are the engine's process-wide switches: what it has to say goes to this program's log, and its caches
// leave the machine to others.
var engineFlags = [...][2]string{
	{"loggerLevel", "WARN"},
	{"loggerDisableTimestamps", "true"},
	{"memory.allowedPercent", "20"},
}

// prepareEngine sets the engine up, once a process. It reads its switches from the standard flag set, which this program's own
// flags are no part of, and refuses to work before that was parsed.
var prepareEngine = sync.OnceValue(func() error {
	for _, f := range engineFlags {
		if err := flag.Set(f[0], f[1]); err != nil {
			return fmt.Errorf("preparing the log store's engine: %w", err)
		}
	}
	// Named for tests, it is the one way to have the engine's log elsewhere than on standard error.
	logger.SetOutputForTests(engineLog{})
	if flag.Parsed() { // under go test
		return nil
	}
	return flag.CommandLine.Parse(nil)
})

// engineLog hands the engine's log lines, "level\tplace\ttext", to slog. The engine writes one line at a time. What it quotes of
// an event stays out of the log.
type engineLog struct{}

func (engineLog) Write(line []byte) (int, error) {
	level, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte{'\t'})
	place, text, _ := bytes.Cut(rest, []byte{'\t'})
	severity := slog.LevelError
	if string(level) == "warn" {
		severity = slog.LevelWarn
	}
	text, _, _ = bytes.Cut(text, []byte("; log entry: "))
	slog.Default().Log(context.Background(), severity, "log store's engine: "+string(text), "place", path.Base(string(place)))
	return len(line), nil
}

// openEngine opens the folder. The engine panics about what it cannot open, above all a folder that another process has open.
func openEngine(dir string, config *logstorage.StorageConfig) (engine *logstorage.Storage, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fault.New(fault.Conflict, "fault.store.open", "opening the log store in %s: %v", dir, problem)
		}
	}()
	return logstorage.MustOpenStorage(dir, config), nil
}
