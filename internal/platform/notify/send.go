package notify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ref"
)

// Audience is people: all who are named in any way. Only active people are told, and only those who may know.
type Audience struct {
	People     []string `json:"people,omitempty"`     // ids
	Roles      []string `json:"roles,omitempty"`      // names
	Units      []string `json:"units,omitempty"`      // ids; those below count
	Permission string   `json:"permission,omitempty"` // everybody who has it
	Except     []string `json:"except,omitempty"`     // ids; who did it need not be told
}

// To is an audience of people by their ids.
func To(people ...string) Audience { return Audience{People: people} }

func (a Audience) empty() bool {
	return len(a.People)+len(a.Roles)+len(a.Units) == 0 && a.Permission == ""
}

// Notice is something to be told.
type Notice struct {
	Topic    string
	Key      string   // what was sent under the same key before is not sent again; "" for none
	Ref      ref.Ref  // the record it is about
	Path     string   // or the page of ours; "" is the page of the record
	Args     Args     // as the topic declares them
	Severity Severity // 0 is the topic's
	Unit     string   // id of the unit it concerns, for rules
	To       Audience // may be empty: then only rules tell anybody
}

// Send tells people once tx is committed. What is wrong with the notice is a mistake of the program and fails the transaction.
func (n *Notifier) Send(tx *db.Tx, x Notice) error {
	topic, ok := n.topics[x.Topic]
	if !ok {
		return fmt.Errorf("sending a notice: nobody declared the topic %q", x.Topic)
	}
	if !x.Ref.IsZero() {
		if _, ok := n.kinds[x.Ref.Kind]; !ok {
			return fmt.Errorf("sending a notice %s: nobody says who may know of records of the kind %q", x.Topic, x.Ref.Kind)
		}
	}
	if x.Path != "" && !local(x.Path) {
		return fmt.Errorf("sending a notice %s: %q is no page of ours", x.Topic, x.Path)
	}
	if x.Severity == Informational {
		x.Severity = topic.Severity
	}
	args, err := x.Args.encode(topic)
	if err != nil {
		return err
	}
	audience, err := json.Marshal(x.To.normal())
	if err != nil {
		return err
	}
	if x.Key != "" {
		fresh, err := tx.Exec(`INSERT INTO notify_key (key, at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, x.Topic+" "+x.Key, db.Micros(tx.Now()))
		if err != nil || fresh == 0 {
			return err
		}
	}
	id, err := join(tx, x, args, string(audience))
	if err == nil && id == "" {
		id, err = insert(tx, x, args, string(audience))
	}
	if err == nil {
		_, err = n.opt.Jobs.Add(tx, jobSpread, one{id}, jobs.Unique(id), jobs.WithPriority(priority(x.Severity)))
	}
	if err != nil {
		return fmt.Errorf("sending a notice %s: %w", x.Topic, err)
	}
	return nil
}

func priority(s Severity) jobs.Priority {
	if s >= High {
		return jobs.High
	}
	return jobs.Normal
}

// normal returns the audience with its lists in order, so that the same people are the same text.
func (a Audience) normal() Audience {
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return Audience{sorted(a.People), sorted(a.Roles), sorted(a.Units), a.Permission, sorted(a.Except)}
}

// join counts a notice in an earlier one for the same people about the same thing, and returns its id, "" where there is none.
func join(tx *db.Tx, x Notice, args, audience string) (id string, err error) {
	if x.Ref.IsZero() && x.Path == "" {
		return "", nil
	}
	err = tx.QueryRow(`SELECT id FROM notify_notice WHERE topic = $1 AND ref_kind = $2 AND ref_id = $3 AND path = $4 AND at > $5 AND audience = $6
		ORDER BY at DESC LIMIT 1`, x.Topic, x.Ref.Kind, x.Ref.ID, x.Path, db.Micros(tx.Now().Add(-joinWithin)), audience).Scan(&id)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(`UPDATE notify_notice SET count = count + 1, args = $1, last_at = $2, severity = CASE WHEN severity < $3 THEN $3 ELSE severity END WHERE id = $4`,
		args, db.Micros(tx.Now()), int64(x.Severity), id)
	return id, err
}

func insert(tx *db.Tx, x Notice, args, audience string) (string, error) {
	id := db.NewID()
	_, err := tx.Exec(`INSERT INTO notify_notice (id, topic, ref_kind, ref_id, path, args, severity, unit, audience, count, at, last_at, step)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10, 0)`,
		id, x.Topic, x.Ref.Kind, x.Ref.ID, x.Path, args, int64(x.Severity), x.Unit, audience, db.Micros(tx.Now()))
	return id, err
}

// local reports whether a path is one of this site's pages.
func local(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.ContainsAny(path, "\\\r\n\t\x00")
}

func pathEscape(id string) string { return url.PathEscape(id) }

// notice is a stored notice.
type notice struct {
	ID       string
	Topic    string
	About    about
	Args     string
	Severity Severity
	Unit     string
	Audience string
	Count    int64
	At, Last int64
	Step     int64
}

const noticeColumns = `n.id, n.topic, n.ref_kind, n.ref_id, n.path, n.args, n.severity, n.unit, n.audience, n.count, n.at, n.last_at, n.step`

// into is where a row of noticeColumns is read to.
func (x *notice) into() []any {
	return []any{&x.ID, &x.Topic, &x.About.Ref.Kind, &x.About.Ref.ID, &x.About.Path, &x.Args, &x.Severity, &x.Unit, &x.Audience, &x.Count, &x.At, &x.Last, &x.Step}
}

func getNotice(tx *db.Tx, id string) (x notice, err error) {
	err = tx.QueryRow(`SELECT `+noticeColumns+` FROM notify_notice n WHERE n.id = $1`, id).Scan(x.into()...)
	return x, err
}
