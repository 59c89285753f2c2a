// Package risk adds up what alerts say of the same user or the same host. Each alert adds points by its severity and its rule's weight; points
// decay by half in a half-life. Where the sum passes a threshold, one alert tells the story of all of them: attacks show as many small alerts
// before they show as a large one.
//
// What it promises:
//
//   - Exactly once: an alert adds its points in the transaction that opens it, and the story is opened in the same one.
//   - One alert for one story: what comes while it is open goes on in it, and a tactic that is new in it is told. When it was closed, another
//     is opened only after the sum fell below the threshold and rose again, or with a new tactic.
//   - An alert that people close as a false positive, or as something that was allowed, gives its points back.
//   - Nothing is kept in memory. A point is kept for 90 days, an entity until it has none.
//
// By the events' clock: an alert about last week adds what is left of its points since then.
//
// A rule's author may give it another weight: "risk_weight: 2.5" at the top of its document, from 0, which adds nothing, to 10. A correlation adds
// nothing unless its author says so. Names of a user
// that differ in their domain only (tanaka, CORP\tanaka, tanaka@example.com) are one; accounts that every machine has are nobody's.
package risk

import (
	"embed"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/notify"
	"yagura/sigma"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the room's tables, for db.Migrate(ctx, "risk", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Defaults of Options.
const (
	Threshold = 100
	HalfLife  = 72 * time.Hour
)

// Options are what a Store needs.
type Options struct {
	DB        *db.DB
	Threshold int           // points at which the story is told; 0 never tells one
	HalfLife  time.Duration // 0 is the default
	Notify    alert.Notifier
}

// Store keeps the sums. It is safe for concurrent use.
type Store struct{ opt Options }

var _ alert.Follower = (*Store)(nil)

// New makes a store; the tables of Migrations are there.
func New(opt Options) *Store {
	if opt.HalfLife <= 0 {
		opt.HalfLife = HalfLife
	}
	return &Store{opt}
}

// thousand is a point: scores are kept in thousandths.
const thousand = 1000

// ending is the share of the threshold below which a story has ended: what comes next begins another.
const ending = 0.1

// points is what an alert of a severity adds, before its rule's weight.
func points(level sigma.Level) float64 {
	switch level {
	case sigma.LevelCritical:
		return 80
	case sigma.LevelHigh:
		return 40
	case sigma.LevelMedium:
		return 20
	case sigma.LevelLow:
		return 5
	}
	return 1
}

const maxWeight = 10

// Weight is a rule's own weight, 1 where its author gives none that can be read. A correlation has 0 then: its events have alerts of their own,
// and it is in the story without adding to it.
func Weight(r *sigma.Rule) float64 {
	node := r.Custom["risk_weight"]
	if node == nil {
		return map[bool]float64{true: 0, false: 1}[r.Correlation != nil]
	}
	w, err := strconv.ParseFloat(node.Value, 64)
	if err != nil || math.IsNaN(w) || w < 0 {
		return 1
	}
	return min(w, maxWeight)
}

// limit is the threshold, the usual one where no story is told.
func (s *Store) limit() float64 {
	if s.opt.Threshold <= 0 {
		return Threshold
	}
	return float64(s.opt.Threshold)
}

// decay is what is left of a sum after a time.
func (s *Store) decay(score float64, after time.Duration) float64 {
	return score * math.Exp2(-float64(after)/float64(s.opt.HalfLife))
}

// fades is when a sum that stands at a time will have decayed to one point; a sum of nothing has at the beginning of time.
func (s *Store) fades(score float64, at time.Time) int64 {
	if score < 1/float64(thousand) {
		return 0
	}
	left := math.Log2(score) * float64(s.opt.HalfLife)
	return max(0, db.Micros(at)+int64(left/float64(time.Microsecond)))
}

// Entity is a user or a host.
type Entity struct {
	Kind alert.EntityKind // alert.Host or alert.User
	Key  string           // by which it is known: in lower case, a user's without the domain
	Name string           // as alerts have it
}

// entitiesOf are those whom an alert is about.
func entitiesOf(o *alert.Opening) (list []Entity) {
	if o.Entity.Kind == alert.Host {
		list = append(list, Entity{alert.Host, strings.ToLower(o.Entity.Value), o.Entity.Value})
	}
	name := o.User
	if o.Entity.Kind == alert.User {
		name = o.Entity.Value
	}
	if key := userKey(name); key != "" && o.Entity.Kind != alert.ManyEntities {
		list = append(list, Entity{alert.User, key, name})
	}
	return list
}

// userKey is the name by which a user is known, "" for accounts that every machine has.
func userKey(name string) string {
	key := strings.ToLower(strings.TrimSpace(name))
	if i := strings.LastIndexAny(key, `\/`); i >= 0 {
		key = key[i+1:]
	}
	key, _, _ = strings.Cut(key, "@")
	if key == "" || strings.HasSuffix(key, "$") || strings.HasPrefix(key, "dwm-") || strings.HasPrefix(key, "umfd-") || slices.Contains(everywhere(), key) {
		return ""
	}
	return key
}

func everywhere() []string {
	return []string{"-", "n/a", "unknown", "anonymous", "anonymous logon", "system", "local service", "network service", "localsystem", "root", "nobody", "daemon",
		"www-data", "administrator", "admin", "guest"}
}

// NewTactic is the topic of a tactic that is new in a story which is open.
const NewTactic = "risk.tactic"

// Topics are what this room tells people of.
func Topics() []notify.Topic {
	return []notify.Topic{{Name: NewTactic, Args: []string{"entity", "tactic"}, Severity: notify.High, Mail: notify.On}}
}
