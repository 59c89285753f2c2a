package room

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

// wanted is a topic with what a person chose of it.
type wanted struct {
	Name, Title string
	App, Mail   notify.Mode
}

type preferencesView struct {
	Rows     []wanted
	Times    notify.Times
	Hours    []web.Option
	Days     []web.Option
	From, To string // "22:00"
	Zone     string
	Mail     bool
	Limit    int
	Error    string
}

func (x *Room) preferences(w http.ResponseWriter, r *http.Request) error {
	chosen, times, err := x.n.Wishes(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	return x.showPreferences(w, r, http.StatusOK, chosen, times, "")
}

func (x *Room) showPreferences(w http.ResponseWriter, r *http.Request, status int, chosen map[string]map[notify.Channel]notify.Mode, times notify.Times, problem string) error {
	t := web.T(r)
	v := preferencesView{
		Times: times, From: clock(times.QuietFrom), To: clock(times.QuietTo), Mail: x.n.MailEnabled(), Limit: notify.MailsAnHour, Error: problem, Zone: web.User(r).Zone,
		Days: []web.Option{{Value: -1, Label: t.T("notify.days.all")}},
	}
	if v.Zone == "" {
		v.Zone = "UTC"
	}
	for hour := range 24 {
		v.Hours = append(v.Hours, web.Option{Value: hour, Label: clock(hour * 60)})
	}
	for _, day := range []int{1, 2, 3, 4, 5, 6, 0} {
		v.Days = append(v.Days, web.Option{Value: day, Label: t.T("notify.day." + strconv.Itoa(day))})
	}
	for _, topic := range x.n.Topics() {
		of := chosen[topic.Name]
		v.Rows = append(v.Rows, wanted{topic.Name, x.n.TopicName(t, topic.Name), of[notify.InApp], of[notify.Mail]})
	}
	return x.site.Render(w, r, status, "notify/preferences", v)
}

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// minutes reads what a field of a time of day holds.
func minutes(text string) int {
	at, err := time.Parse("15:04", strings.TrimSpace(text))
	if err != nil {
		return -1
	}
	return at.Hour()*60 + at.Minute()
}

func (x *Room) choose(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	chosen, times, err := x.n.Wishes(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	var list []notify.Preference
	for topic, of := range chosen {
		for _, channel := range []notify.Channel{notify.InApp, notify.Mail} {
			mode := notify.Mode(values.Get(string(channel) + " " + topic))
			if mode == "" {
				continue // without mail there is nothing to choose
			}
			if of[channel] != mode {
				list = append(list, notify.Preference{Topic: topic, Channel: channel, Mode: mode})
			}
			of[channel] = mode
		}
	}
	if values.Has("hour") {
		times = notify.Times{
			Hour: number(values.Get("hour")), Weekday: number(values.Get("weekday")), Quiet: values.Get("quiet") != "",
			QuietFrom: minutes(values.Get("from")), QuietTo: minutes(values.Get("to")),
		}
	}
	err = x.n.Choose(r.Context(), web.User(r).ID, list, times)
	if fault.Is(err, fault.Invalid) {
		return x.showPreferences(w, r, http.StatusUnprocessableEntity, chosen, times, web.Message(r, err))
	}
	if err != nil {
		return err
	}
	return x.site.Done(w, r, "/notifications/preferences", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.preferences.saved")})
}

// number reads a number of a form; what is none is one that no field takes.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -99
	}
	return n
}
