// Package match is what the pipeline says to those who act on matches. It stands alone, so that they need not know the
// pipeline and its engines.
package match

import (
	"yagura/internal/event"
	"yagura/sigma"
)

// Match is an event that a rule matched, or what a correlation found. The event is the match's own: nobody changes it any more.
type Match struct {
	Rule   *sigma.Rule
	Event  *event.Event
	Firing *sigma.Firing // of a correlation: then the event stands for its matches, see OfFiring; else nil
}
