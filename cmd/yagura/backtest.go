package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"yagura/internal/app"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/search"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

type rulesBacktestCmd struct {
	Since string   `default:"30d" help:"Only events of the last so long: 24h, 30d, 1y."`
	Start string   `help:"Only from this time on: RFC 3339, 2026-04-01 or '2026-04-01 09:00'."`
	End   string   `help:"Only up to this time."`
	JSON  bool     `name:"json" help:"Print the result as JSON."`
	Paths []string `arg:"" optional:"" name:"path" type:"path" help:"Rule files or folders; without one, the rules that run."`
}

// Run runs the rules over stored events, through the server that has the data folder open or in the stopped folder itself.
func (c *rulesBacktestCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	now := time.Now()
	since := c.Since
	if c.Start != "" {
		since = ""
	}
	period, err := search.ParseRange(since, c.Start, c.End, now, time.Local)
	if err != nil {
		return err
	}
	from, to := period.Start, cmp.Or(period.End, now)
	if period.Since > 0 {
		from = to.Add(-period.Since)
	}
	texts, err := ruleTexts(c.Paths)
	if err != nil {
		return err
	}
	server, err := running(ctx, conf)
	if err != nil {
		return err
	}
	var result *backtest.Result
	if server != nil {
		result, err = c.remote(ctx, server, texts, from, to, io.err)
	} else {
		if _, err := os.Stat(conf.Data); err != nil {
			return fault.New(fault.Invalid, "fault.data_folder", "there are no stored events: %w", err)
		}
		err = withEngine(ctx, conf, io, func(e *app.Engine) (err error) {
			result, err = c.here(ctx, e, texts, from, to, io.err)
			return err
		})
	}
	if err != nil {
		return err
	}
	return c.print(io, result)
}

// ruleTexts reads rule files, and those of folders with all below them.
func ruleTexts(paths []string) (texts [][]byte, err error) {
	if err := exist(paths); err != nil {
		return nil, err
	}
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || name != path && !slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(name)) {
				return err
			}
			text, err := os.ReadFile(name)
			texts = append(texts, text)
			return err
		})
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.file.open", "%w", err)
		}
	}
	return texts, nil
}

// here runs in a stopped folder.
func (c *rulesBacktestCmd) here(ctx context.Context, e *app.Engine, texts [][]byte, from, to time.Time, out io.Writer) (*backtest.Result, error) {
	if err := drain(ctx, e); err != nil && !fault.Is(err, fault.Unavailable) { // what is stored can be looked at
		return nil, err
	}
	plan := backtest.Plan{From: from, To: to, Options: sigma.Options{Taxonomy: e.Taxonomy}}
	for _, text := range texts {
		rules, filters, err := backtest.Parse(string(text))
		if err != nil {
			return nil, err
		}
		plan.Rules, plan.Filters = append(plan.Rules, rules...), append(plan.Filters, filters...)
	}
	if len(texts) == 0 {
		if e.Rules == nil {
			if err := e.LoadRules(ctx); err != nil {
				return nil, err
			}
		}
		if err := e.BacktestRules(&plan, backtest.ScopeLive, ""); err != nil {
			return nil, err
		}
	}
	said := time.Now()
	return backtest.Run(ctx, e.Store, plan, nil, func(r *backtest.Result) error {
		if time.Since(said) >= time.Second {
			said = time.Now()
			say(out, r)
		}
		return nil
	})
}

func say(out io.Writer, r *backtest.Result) {
	fmt.Fprintf(out, "%3.0f%%  %d events, %d matches\n", 100*r.Share(), r.Events, r.Matches)
}

// remote has a server do it, and waits.
func (c *rulesBacktestCmd) remote(ctx context.Context, server *auth.Server, texts [][]byte, from, to time.Time, out io.Writer) (*backtest.Result, error) {
	values := map[string]string{
		"title": "yagura rules backtest", "scope": backtest.ScopeLive,
		"since": from.UTC().Format(time.RFC3339Nano), "until": to.UTC().Format(time.RFC3339Nano),
	}
	if len(texts) > 0 {
		values["scope"], values["text"] = backtest.ScopeText, string(bytes.Join(texts, []byte("\n---\n")))
	}
	var made struct {
		ID      string `json:"id"`
		Outcome string `json:"outcome"`
	}
	if err := ask(ctx, server, http.MethodPost, "/api/v1/backtests", values, &made); err != nil {
		return nil, err
	}
	result := new(backtest.Result)
	for {
		if err := ask(ctx, server, http.MethodGet, "/api/v1/backtests/"+made.ID, nil, &made); err != nil {
			return nil, err
		}
		if err := ask(ctx, server, http.MethodGet, "/api/v1/backtests/"+made.ID+"/result", nil, result); err != nil {
			return nil, err
		}
		switch made.Outcome {
		case backtest.Done:
			return result, nil
		case backtest.Failed, backtest.Stopped:
			return nil, fault.New(fault.Invalid, "", "the backtest %s %s: its page says why", made.ID, made.Outcome)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
			say(out, result)
		}
	}
}

// ask asks a server's API.
func ask(ctx context.Context, server *auth.Server, method, path string, body, answer any) error {
	var text io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, server.URL+path, text)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+server.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "", "asking the server: %w", err)
	}
	defer resp.Body.Close() // it was only read
	if resp.StatusCode >= http.StatusBadRequest {
		return refused(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fault.New(fault.Unavailable, "", "the answer cannot be read: %w", err)
	}
	return nil
}

// print prints one rule a line, and the sum.
func (c *rulesBacktestCmd) print(io *streams, r *backtest.Result) error {
	if c.JSON {
		enc := json.NewEncoder(io.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "MATCHES\tLEVEL\tTITLE\tHOSTS\tUSERS\tFIRST")
	for _, x := range r.List() {
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%s\n", x.Matches, x.Level, oneLine(x.Title), len(x.Hosts.Names), len(x.Users.Names), x.Samples[0].Time.Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintln(io.err, oneLine(p))
	}
	fmt.Fprintf(io.err, "%d matches in %d events from %s to %s; %d of %d rules matched\n", r.Matches, r.Events, r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339), len(r.Rules), r.Asked)
	return nil
}
