package app

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"yagura/internal/platform/build"
	"yagura/internal/platform/web/settings"
)

// health answers monitors: 200 while events are taken, stored and matched, 503 with the reason otherwise. It tells nothing
// that an outsider could use.
func (s *Server) health(w http.ResponseWriter) {
	status := s.Pipeline.Status()
	answer := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: "ok"}
	code := http.StatusOK
	switch {
	case status.Store.Error != "":
		answer.Reason = "the event store takes nothing"
	case status.Recorder.Error != "":
		answer.Reason = "alerts cannot be kept"
	case status.Reading.Error != "":
		answer.Reason = "the spool cannot be read"
	}
	if answer.Reason != "" {
		answer.Status, code = "failing", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the monitor has gone
}

// settingsOptions is what the Settings page tells of the server.
func (s *Server) settingsOptions() settings.Options {
	return settings.Options{
		Data: s.opt.Config.Data, Version: build.Version(), Started: s.started,
		Config: func() []settings.ConfigRow {
			rows := make([]settings.ConfigRow, len(s.opt.Settings))
			for i, x := range s.opt.Settings {
				rows[i] = settings.ConfigRow{Name: x.Name, Value: x.Value, Help: x.Help, Kind: x.Origin.Kind, From: x.Origin.Name}
			}
			return rows
		},
		Correlations: s.correlationFacts,
		Sizes: func() []settings.Size {
			return []settings.Size{
				{Key: "settings.size.store", Bytes: folderSize(s.path("events"))},
				{Key: "settings.size.spool", Bytes: folderSize(s.path("spool"))},
				{Key: "settings.size.db", Bytes: fileSize(s.path("yagura.db")) + fileSize(s.path("yagura.db-wal"))},
			}
		},
	}
}

// correlationFacts is what the Settings page tells of the correlations.
func (s *Server) correlationFacts() []settings.Fact {
	c := s.Pipeline.Status().Correlations
	return []settings.Fact{
		{Key: "settings.correlation.groups", Value: c.Groups}, {Key: "settings.correlation.matches", Value: c.Matches},
		{Key: "settings.correlation.bytes", Value: c.Bytes, Bytes: true}, {Key: "settings.correlation.firings", Value: c.Firings},
		{Key: "settings.correlation.late", Value: c.Late}, {Key: "settings.correlation.evicted", Value: c.Evicted},
		{Key: "settings.correlation.dropped", Value: c.Dropped},
	}
}

// folderSize adds up the files of a folder; those that vanish meanwhile count nothing.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			size += fileSize(path)
		}
		return nil
	})
	return size
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
