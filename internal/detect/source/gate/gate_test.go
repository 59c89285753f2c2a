package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/platform/fault"
)

func read(g *gate.Gate, body io.Reader) (*gate.Body, error) {
	return g.Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", body))
}

func TestBodyIsWhole(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{MaxBody: 1 << 20})
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 1<<20 - 1, 1 << 20} {
		text := strings.Repeat("x", size)
		for name, r := range map[string]io.Reader{"length known": strings.NewReader(text), "chunked": io.MultiReader(strings.NewReader(text))} {
			body, err := read(g, r)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", size, name, err)
			}
			if string(body.Data) != text {
				t.Errorf("%d bytes, %s: %d came", size, name, len(body.Data))
			}
			body.Release()
		}
	}
	if _, err := read(g, io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20+1)))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}

// All bodies together stay below the budget; what was released counts no more.
func TestBodiesTogether(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{MaxBody: 1 << 20, MaxInFlight: 3 << 19})
	megabyte := strings.Repeat("x", 1<<20)
	first, err := read(g, strings.NewReader(megabyte))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(g, strings.NewReader(megabyte)); !fault.Is(err, fault.Busy) {
		t.Errorf("a second megabyte: %v", err)
	}
	first.Release()
	second, err := read(g, strings.NewReader(megabyte))
	if err != nil {
		t.Fatalf("after the first was released: %v", err)
	}
	second.Release()
}

// What is made of a body counts like bodies do, and is given back with it.
func TestWhatIsMadeOfABody(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{MaxBody: 1 << 20, MaxInFlight: 3 << 19})
	for range 3 {
		first, err := read(g, strings.NewReader("small"))
		if err != nil {
			t.Fatal(err)
		}
		second, err := read(g, strings.NewReader("small"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(first.Charge(1<<19), first.Charge(1<<19)); err != nil {
			t.Error(err)
		}
		if err := second.Charge(1 << 19); !fault.Is(err, fault.Busy) {
			t.Errorf("past what all may take: %v", err)
		}
		if err := first.Charge(1); !fault.Is(err, fault.TooLarge) {
			t.Errorf("past what one may take: %v", err)
		}
		first.Release()
		second.Release()
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{MaxBody: 1 << 20, MaxInFlight: 1 << 20})
	broken := io.MultiReader(strings.NewReader("abc"), errReader{})
	for range 100 { // each gives its share of the budget back
		if _, err := read(g, broken); !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("the connection broke") }

func TestLocalAdministrator(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{})
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", "Bearer "+gatetest.LocalToken)
	caller, err := g.Admit(r, "api")
	if diff := cmp.Diff(gate.Caller{Remote: "192.0.2.1", Local: true}, caller); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]string{
		fault.Busy: "429 1", fault.Unavailable: "503 10", fault.TooLarge: "413 ", fault.Invalid: "400 ", fault.Unauthentic: "401 ", fault.Internal: "500 ",
	} {
		w := httptest.NewRecorder()
		if got := fmt.Sprintf("%d %s", gate.Status(w, fault.New(code, "", "x")), w.Header().Get("Retry-After")); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

func TestValidObject(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for text, want := range map[string]string{
		`{"a":[1,{"b":null}]}`: "",
		" \t{}\r\n":            "",
		`{"a":"` + strings.Repeat("[{", 1000) + `"}`:    "", // brackets in text are no depth
		`{"a":"\"` + strings.Repeat("[", 1000) + `\\"}`: "",
		nested(300):                          "",
		nested(301):                          "nested deeper",
		strings.Repeat("[", 1<<20):           "no JSON object",
		`{"a":` + strings.Repeat("[", 1<<20): "nested deeper",
		``:                                   "empty",
		`null`:                               "no JSON object",
		`{"a":1} {"b":2}`:                    "tail",
		`{"a":01}`:                           "cannot parse number",
		"{\"a\":\"\n\"}":                     "control char",
		`{a:1}`:                              "cannot",
		`{"a":"` + strings.Repeat("x", 1000) + "\",,\"b\"}": "cannot",
	} {
		err := gate.ValidObject([]byte(text))
		short := text[:min(len(text), 40)]
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", short, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", short, err, want)
		case err != nil && len(err.Error()) > 500:
			t.Errorf("%s: an error of %d bytes", short, len(err.Error()))
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	var got []string
	gate.Lines([]byte("a\r\n\n \t\nb\n\nc"), func(n int, text []byte) { got = append(got, fmt.Sprintf("%d %s", n, text)) })
	if diff := cmp.Diff([]string{"1 a", "4 b", "6 c"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestInsist(t *testing.T) {
	t.Parallel()
	batch := &intake.Batch{Source: "s", Input: "syslog", Items: []intake.Item{{Data: []byte("a")}}}
	t.Run("waits while the sink is full or broken", func(t *testing.T) {
		t.Parallel()
		sink, observer := &gatetest.Sink{}, &gatetest.Observer{}
		sink.FailWith(func(call int) error {
			return map[int]error{1: gatetest.Busy(), 2: errors.New("broken")}[call]
		})
		if err := gate.Insist(t.Context(), sink, observer, batch); err != nil || len(sink.Items()) != 1 || observer.Events() != 1 {
			t.Error(err, sink.Items(), observer.Events())
		}
	})
	t.Run("gives up what can never go in", func(t *testing.T) {
		t.Parallel()
		sink, observer := &gatetest.Sink{}, &gatetest.Observer{}
		sink.FailWith(func(int) error { return fault.New(fault.TooLarge, "", "too large") })
		if err := gate.Insist(t.Context(), sink, observer, batch); err != nil || len(observer.Refusals()) != 1 {
			t.Error(err, observer.Refusals())
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		t.Parallel()
		sink, observer := &gatetest.Sink{}, &gatetest.Observer{}
		sink.Full(true)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := gate.Insist(ctx, sink, observer, batch); !errors.Is(err, context.DeadlineExceeded) || len(observer.Refusals()) != 0 {
			t.Error(err, observer.Refusals())
		}
	})
}

func TestGrace(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(context.Background())
	late, cancel := gate.Grace(ctx, 100*time.Millisecond)
	defer cancel()
	end()
	began := time.Now()
	<-late.Done()
	if took := time.Since(began); took < 90*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
}
