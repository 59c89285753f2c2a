package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var durationUnits = map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}

// ParseDuration reads "24h", "90d", "2w", "10y" or what time.ParseDuration reads.
func ParseDuration(text string) (Duration, error) {
	for unit, length := range durationUnits {
		number, found := strings.CutSuffix(text, unit)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*float64(length) < math.MaxInt64) { // neither holds of NaN
			return 0, fmt.Errorf("%q is no time span such as 24h, 90d or 10y", text)
		}
		return Duration(n * float64(length)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time span such as 24h, 90d or 10y", text)
	}
	return Duration(d), nil
}

func (d Duration) String() string {
	for _, unit := range []string{"y", "d"} {
		if length := Duration(durationUnits[unit]); d >= length && d%length == 0 {
			return strconv.FormatInt(int64(d/length), 10) + unit
		}
	}
	text := time.Duration(d).String()
	text = strings.TrimSuffix(text, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(text, "m0s")]
	return strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
}

// sizeUnits is ordered: a longer suffix before the one that ends it.
var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads "512MiB", "4GiB", "10MB" or a plain number of bytes.
func ParseSize(text string) (Size, error) {
	number, scale := text, 1.0
	for _, u := range sizeUnits {
		if n, found := strings.CutSuffix(text, u.suffix); found {
			number, scale = n, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0 && n*scale < math.MaxInt64) { // neither holds of NaN
		return 0, fmt.Errorf("%q is no size such as 512MiB or 4GiB", text)
	}
	return Size(n * scale), nil
}

func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if unit := Size(sizeUnits[i].bytes); s >= unit && s%unit == 0 {
			return strconv.FormatInt(int64(s/unit), 10) + sizeUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// assign parses text into the place v.
func assign(v reflect.Value, text string) error {
	switch place := v.Addr().Interface().(type) {
	case *string:
		*place = text
	case *Secret:
		*place = Secret(text)
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*place = b
	case *int:
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fmt.Errorf("%q is no number from 0 to 2147483647", text)
		}
		*place = int(n)
	case *Duration:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		*place = d
	case *Size:
		s, err := ParseSize(text)
		if err != nil {
			return err
		}
		*place = s
	case *[]string:
		*place = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*place = append(*place, part)
			}
		}
	default:
		return fmt.Errorf("a setting of type %s cannot be read", v.Type())
	}
	return nil
}

// allowed holds the place v against its tags: "oneof" lists the words it may be, "least" is the smallest number that means something.
// A value that the program would quietly replace by another is refused instead.
func allowed(v reflect.Value, tag reflect.StructTag) error {
	if words := strings.Fields(tag.Get("oneof")); len(words) > 0 && !slices.Contains(words, v.String()) {
		return fmt.Errorf("%q is none of %s", v.String(), strings.Join(words, ", "))
	}
	least, ok := tag.Lookup("least")
	if !ok {
		return nil
	}
	limit := reflect.New(v.Type()).Elem()
	if err := assign(limit, least); err != nil {
		return err
	}
	if v.Int() < limit.Int() {
		return fmt.Errorf("%s is less than %s", format(v), format(limit))
	}
	return nil
}

// format writes the place v the way assign reads it.
func format(v reflect.Value) string {
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}
