package calendar

import (
	"fmt"
	"time"
)

// Fiscal is how an organisation's years run: from the first day of a month. The zero Fiscal begins in April.
type Fiscal struct{ start time.Month }

// NewFiscal returns fiscal years that begin in a month. The error is for what is no month.
func NewFiscal(start time.Month) (Fiscal, error) {
	if start < time.January || start > time.December {
		return Fiscal{}, fmt.Errorf("%d is no month", start)
	}
	return Fiscal{start}, nil
}

// Start returns the month in which years begin.
func (f Fiscal) Start() time.Month {
	if f.start == 0 {
		return time.April
	}
	return f.start
}

// FiscalYear is the year that begins in a calendar year.
type FiscalYear struct {
	Year        int
	First, Last Date
}

// Year returns the fiscal year that begins in a calendar year.
func (f Fiscal) Year(year int) FiscalYear {
	first := Date{year, f.Start(), 1}
	return FiscalYear{year, first, first.AddMonths(12).AddDays(-1)}
}

// YearOf returns the fiscal year that a day belongs to.
func (f Fiscal) YearOf(d Date) FiscalYear {
	if d.Month < f.Start() {
		return f.Year(d.Year - 1)
	}
	return f.Year(d.Year)
}

// Label names the year: 2026年度 in Japanese ("ja"), FY2026 in English.
func (y FiscalYear) Label(lang string) string {
	if lang == "ja" {
		return fmt.Sprintf("%d年度", y.Year)
	}
	return fmt.Sprintf("FY%d", y.Year)
}

// Quarter is three months of a fiscal year, N from 1 to 4.
type Quarter struct {
	Year        FiscalYear
	N           int
	First, Last Date
}

// Quarter returns a quarter of the year, n from 1 to 4.
func (y FiscalYear) Quarter(n int) Quarter {
	first := y.First.AddMonths(3 * (n - 1))
	return Quarter{y, n, first, first.AddMonths(3).AddDays(-1)}
}

// QuarterOf returns the quarter that a day belongs to.
func (f Fiscal) QuarterOf(d Date) Quarter {
	y := f.YearOf(d)
	months := (d.Year-y.First.Year)*12 + int(d.Month-y.First.Month)
	return y.Quarter(months/3 + 1)
}

// Label names the quarter: 2026年度第3四半期 in Japanese ("ja"), Q3 FY2026 in English.
func (q Quarter) Label(lang string) string {
	if lang == "ja" {
		return fmt.Sprintf("%s第%d四半期", q.Year.Label(lang), q.N)
	}
	return fmt.Sprintf("Q%d %s", q.N, q.Year.Label(lang))
}
