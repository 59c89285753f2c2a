package app

import (
	"os"
	"strconv"
	"time"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
)

// organisation is how the configured organisation counts its days.
func organisation(c config.Organisation) (o calendar.Organisation, err error) {
	month, err := strconv.Atoi(c.FiscalYearStart)
	if err == nil {
		o.Fiscal, err = calendar.NewFiscal(time.Month(month))
	}
	if err != nil {
		return o, fault.New(fault.Invalid, "fault.config.value", "organisation.fiscal_year_start: %w", err)
	}
	if o.Zone, err = time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "" || c.TimeZone == "Local" {
		return o, fault.New(fault.Invalid, "fault.config.value", "organisation.time_zone: there is no zone %q", c.TimeZone)
	}
	o.Calendar = calendar.Japan()
	if c.Holidays != "" {
		text, err := os.ReadFile(c.Holidays)
		if err != nil {
			return o, fault.New(fault.Invalid, "fault.config.file", "organisation.holidays: %w", err)
		}
		if o.Calendar, err = calendar.Load(text); err != nil {
			return o, err
		}
	}
	o.Calendar, err = o.Calendar.WithClosings(c.ClosingDays...)
	return o, err
}
