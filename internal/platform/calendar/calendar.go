// Package calendar knows days as organisations in Japan count them: fiscal years, eras, public holidays, business days, and deadlines.
//
// What it promises:
//
//   - A Date is a day, not a moment: no zone can move it. Moments are made with the zone named (Date.At), and daylight saving can
//     neither drop nor double one.
//   - Holidays of Japan are data with the law that makes them (data/holidays.jp), for the years 2020 to 2035. Of later years the
//     equinoxes are not yet announced: Known tells how far a calendar goes, and beyond it nothing is called a holiday.
//   - Parse reads what people in Japan type for a date, in the Gregorian calendar or an era, with full-width digits; what could be two
//     days is read as the nearest to today only where no year was written.
//
// Everything here is a value or safe for concurrent use.
package calendar
