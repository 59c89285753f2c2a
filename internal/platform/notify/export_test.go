package notify

import "time"

func (t Times) QuietUntil(now time.Time, zone *time.Location) time.Time {
	return t.quietUntil(now, zone)
}
func (t Times) NextDigest(now time.Time, zone *time.Location) time.Time {
	return t.nextDigest(now, zone)
}
