package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
)

func load(t *testing.T, file string, env, flags map[string]string) (*config.Config, map[string]config.Setting, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "yagura.yml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c, list, err := config.Load(config.Sources{
		File: path, Flags: flags,
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	settings := make(map[string]config.Setting)
	for _, s := range list {
		settings[s.Name] = s
	}
	return c, settings, err
}

func TestTheStrongerSourceWins(t *testing.T) {
	t.Parallel()
	c, list, err := load(t, `
http:
  listen: 0.0.0.0:1
  max_body: 8MiB
spool: {max: 1GiB}
rules:
  dirs: [a, b]
`, map[string]string{"YAGURA_HTTP_LISTEN": "0.0.0.0:2", "YAGURA_SPOOL_MAX": "2GiB"}, map[string]string{"http.listen": "0.0.0.0:3"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"http.listen":   {"0.0.0.0:3", "flag"},
		"spool.max":     {"2GiB", "environment YAGURA_SPOOL_MAX"},
		"rules.dirs":    {"a,b", "file "},
		"alerts.window": {"1d", "default"},
	} {
		if got := list[name]; got.Value != want[0] || !strings.HasPrefix(got.Origin.String(), want[1]) {
			t.Errorf("%s = %q from %q, want %q from %q", name, got.Value, got.Origin, want[0], want[1])
		}
	}
	if c.HTTP.MaxBody != 8<<20 || len(c.Rules.Dirs) != 2 || time.Duration(c.Alerts.Window) != 24*time.Hour || !c.Rules.Builtin {
		t.Errorf("the configuration reads %+v", c)
	}
}

func TestAWrongFileIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, file, want string }{
		{"unknown name", "http:\n  lisen: x\n", `yagura.yml:2: there is no setting "http.lisen"`},
		{"wrong size", "spool:\n  max: lots\n", `yagura.yml:2: spool.max: "lots" is no size`},
		{"wrong switch", "rules:\n  builtin: maybe\n", `"maybe" is neither true nor false`},
		{"twice", "data: a\ndata: b\n", "data"},
		{"no mapping", "- a\n", "the file must be names with values"},
		{"alias", "data: &a x\nhttp: {listen: *a}\n", "anchors and aliases"},
		{"list in list", "rules: {dirs: [[a]]}\n", "an item of rules.dirs"},
		{"no YAML", "a: b: c\n", "yagura.yml"},
		{"second document", "http: {listen: x}\n---\nhttp: {lisen: x}\n", "the file must be one document"},
		{"value for a section", "http: x\n", `yagura.yml:1: there is no setting "http"; http has listen, tls_cert`},
		{"unknown section", "htpp:\n", `yagura.yml:1: there is no setting "htpp"; there are data, http, syslog`},
		{"word", "log: {level: loud}\n", `log.level: "loud" is none of debug, info, warn, error`},
		{"nothing kept", "store: {retention: 0}\n", "store.retention: 0s is less than 1d"},
		{"no window", "alerts:\n  window: NaNd\n", "yagura.yml:2: alerts.window: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, row.file, nil, nil)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestValuesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"24h": "1d", "90m": "1h30m", "36h": "36h", "10y": "10y", "2w": "14d", "15s": "15s", "1.5d": "36h"} {
		d, err := config.ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%s reads as %v, %v, want %s", text, d, err, want)
		}
	}
	for text, want := range map[string]config.Size{"0": 0, "10MB": 1e7, "1.5GiB": 3 << 29, "64 KiB": 1 << 16, "7B": 7} {
		if s, err := config.ParseSize(text); err != nil || s != want {
			t.Errorf("%s reads as %d, %v, want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1e400", "GiB", "5 apples", "NaN", "NaNGiB", "8388608TiB"} {
		if s, err := config.ParseSize(text); err == nil {
			t.Errorf("the size %q reads as %d", text, s)
		}
	}
	for _, text := range []string{"", "-1d", "1e400d", "y", "NaNd", "300y", "5"} {
		if d, err := config.ParseDuration(text); err == nil {
			t.Errorf("the time span %q reads as %s", text, d)
		}
	}
}

// TestAnEmptySectionIsNoMistake: a section stays when all of its lines are commented out.
func TestAnEmptySectionIsNoMistake(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "# nothing\n", "---\n", "http:\n  # listen: :1\nsyslog:\n", "http: {tls_cert: null}\n"} {
		c, _, err := load(t, file, nil, nil)
		if err != nil || c.HTTP.Listen != "127.0.0.1:8686" || c.HTTP.TLSCert != "" {
			t.Errorf("%q reads as %+v, %v", file, c, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("http:\n  listen: :1\n")
	f.Add("data: &a [x, *a]\n")
	f.Fuzz(func(t *testing.T, file string) {
		if _, _, err := load(t, file, nil, nil); err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("a wrong file is %v, not invalid", err)
		}
	})
}

func TestASecretIsNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	c, list, err := load(t, "oidc:\n  client_secret: "+secret+"\n", map[string]string{"YAGURA_DATABASE_URL": "postgres://u:" + secret + "@h/d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.OIDC.ClientSecret.Reveal() != secret {
		t.Error("the secret is lost")
	}
	if text := fmt.Sprintf("%v %+v %#v %v", *c, c, c, list); strings.Contains(text, secret) {
		t.Errorf("a secret is shown: %s", text)
	}
	if got := list["oidc.client_secret"].Value; got != "[hidden]" || list["mail.password"].Value != "" {
		t.Errorf("the setting reads %q, one that is not set %q", got, list["mail.password"].Value)
	}
}
