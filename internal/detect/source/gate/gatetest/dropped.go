package gatetest

// Dropped counts what syslog over UDP had to drop, as a refusal.
func (o *Observer) Dropped(source, input, remote string, events int, reason string) {
	o.Refused(source, input, remote, events, "dropped: "+reason)
}
