package app

import (
	"os"
	"path/filepath"
	"testing"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
)

func TestTheOrganisationsDays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "branch.yml")
	if err := os.WriteFile(file, []byte("name: {ja: 支社, en: Branch}\nyears: [2026, 2030]\nweekend: [fri, sat]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := config.Organisation{FiscalYearStart: "4", TimeZone: "Asia/Tokyo", ClosingDays: []string{"12-29..01-03"}}
	o, err := organisation(plain)
	if err != nil {
		t.Fatal(err)
	}
	d := calendar.On(2026, 12, 29)
	if o.Calendar.IsBusinessDay(d) || o.Calendar.Called().In("en") != "Public holidays of Japan" || o.Fiscal.YearOf(calendar.On(2027, 3, 31)).Label("ja") != "2026年度" {
		t.Errorf("%+v", o)
	}
	branch := plain
	branch.Holidays, branch.FiscalYearStart = file, "1"
	if o, err = organisation(branch); err != nil || o.Calendar.Called().In("en") != "Branch" || o.Fiscal.Start() != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	for name, change := range map[string]func(*config.Organisation){
		"month":    func(c *config.Organisation) { c.FiscalYearStart = "13" },
		"zone":     func(c *config.Organisation) { c.TimeZone = "Asia/Edo" },
		"no zone":  func(c *config.Organisation) { c.TimeZone = "" },
		"file":     func(c *config.Organisation) { c.Holidays = file + "x" },
		"closings": func(c *config.Organisation) { c.ClosingDays = []string{"summer"} },
	} {
		wrong := plain
		change(&wrong)
		if _, err := organisation(wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
