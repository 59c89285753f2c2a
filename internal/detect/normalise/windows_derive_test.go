package normalise_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

// TestEveryWayToCopy: each way that the taxonomy's data may name makes something of a value of its form, and nothing of "-"
// and of what is not of its form.
func TestEveryWayToCopy(t *testing.T) {
	t.Parallel()
	const anyText = "(takes any text)"
	for _, how := range taxonomy.Ways() {
		c, ok := map[taxonomy.How]struct{ value, others, want, odd string }{
			taxonomy.Same:             {"x", "", "out=x", anyText},
			taxonomy.Base:             {`C:\a\b.exe`, "", "out=b.exe", anyText},
			taxonomy.File:             {`C:\a\b.pdf`, "", "out.name=b.pdf out.extension=pdf", `C:\a\`},
			taxonomy.Account:          {`DOM\tanaka`, "", "out.domain=DOM out.name=tanaka", anyText},
			taxonomy.Join:             {"tanaka", `,"SubjectDomainName":"DOM"`, `out=DOM\tanaka`, anyText},
			taxonomy.Hashes:           {"MD5=AB,SHA256=CD,IMPHASH=000", "", "out.hash.md5=ab out.hash.sha256=cd", "AB"},
			taxonomy.Answers:          {"type:  5 b.example;::ffff:192.0.2.1;", "", "out.answers.data=b.example out.resolved_ip=192.0.2.1", ";-;"},
			taxonomy.Direction:        {"%%14593", "", "out=egress", "up"},
			taxonomy.Initiated:        {"%%14592", "", "out=false", "up"},
			taxonomy.Protocol:         {"17", "", "out=udp", "udp?"},
			taxonomy.Logon:            {"10", "", "out=RemoteInteractive", "99"},
			taxonomy.Integrity:        {"S-1-16-12288", "", "out=High", "S-1-5-18"},
			taxonomy.RegistryKey:      {`HKLM\a\b`, "", `out.hive=HKLM out.key=a\b`, "nothing"},
			taxonomy.RegistryValue:    {`HKLM\a\b`, "", `out.hive=HKLM out.value=b out.key=a`, "nothing"},
			taxonomy.RegistryData:     {"DWORD (0x0000000f)", "", "out.type=REG_DWORD out.strings=15", "(Empty)"},
			taxonomy.AuditedRegistry:  {`\REGISTRY\USER\S-1\a`, `,"ObjectValueName":"v"`, `out.path=HKU\S-1\a\v out.hive=HKU out.value=v out.key=S-1\a`, `C:\a`},
			taxonomy.AuditedData:      {"16", `,"NewValueType":"%%1876"`, "out=DWORD (0x00000010)", anyText},
			taxonomy.AuditedOperation: {"%%1906", "", "out=DeleteValue", "%%1"},
			taxonomy.FileObject:       {`C:\a`, `,"ObjectType":"File"`, `out=C:\a`, anyText},
			taxonomy.DefenderPath:     {`file:_C:\a.exe; file:_C:\b.exe`, "", `out.path=C:\a.exe out.name=a.exe out.extension=exe`, `C:\a`},
			taxonomy.Context:          {"\tHost Application = p.exe\r\n\tUserId=x\r\n", "", "out.host_application=p.exe out.user_id=x", "no pairs"},
			taxonomy.DN:               {"CN=Tanaka,OU=x", "", "out=Tanaka", "Tanaka"},
		}[how]
		if !ok {
			t.Errorf("%q has no example here", how)
			continue
		}
		to := string(how) + ":out"
		if how == taxonomy.Same {
			to = "out"
		}
		tax, err := taxonomy.LoadFS(fstest.MapFS{"a.yml": {Data: fmt.Appendf(nil, "channels: [{channel: C, copy: {F: %q}}]", to)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := derived(t, tax, c.value, c.others); got != c.want {
			t.Errorf("%q of %q: %s, want %s", how, c.value, got, c.want)
		}
		if got := derived(t, tax, "-", c.others); got != "" {
			t.Errorf("%q of -: %s", how, got)
		}
		if c.odd != anyText {
			if got := derived(t, tax, c.odd, c.others); got != "" {
				t.Errorf("%q of %q: %s, want nothing", how, c.odd, got)
			}
		}
	}
}

// derived returns what is made of the field F.
func derived(t *testing.T, tax *taxonomy.Taxonomy, value, others string) string {
	t.Helper()
	item := append([]byte(`{"System":{"Channel":"C","EventID":1},"EventData":{"F":`), event.AppendQuoted(nil, value)...)
	item = append(append(item, others...), "}}"...)
	var ev event.Event
	if err := normalise.New(tax).Normalise(&intake.Batch{Format: intake.JSON}, &intake.Item{Data: item}, &ev); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range ev.Fields() {
		if f.Name == "out" || strings.HasPrefix(f.Name, "out.") {
			out = append(out, f.Name+"="+f.Value)
		}
	}
	return strings.Join(out, " ")
}
