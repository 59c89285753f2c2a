package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

// commandLimit is how long a command may take. A KMS across an ocean answers within a second; a hanging one must not hang
// the start for ever.
const commandLimit = 30 * time.Second

// runCommand gets keys from a command, most often one that asks a KMS to unwrap a data key. Its contract:
//
//   - It is run as it stands, without a shell, with the environment of this process, at each start and each rotation.
//   - Its standard input is the file Options.Wrapped, or empty.
//   - It prints the keys in the form of a key file: base64 of 32 bytes each, one a line, the newest last; nothing else.
//   - It ends with status 0 within 30 seconds.
//   - What it writes to standard error is shown in our error when it fails; what it prints is shown to nobody, ever.
func runCommand(ctx context.Context, command []string, wrapped string) ([]key, error) {
	limited, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	unavailable := func(format string, args ...any) error {
		return fault.New(fault.Unavailable, "fault.seal.command", "the key command %s: %w", command[0], fmt.Errorf(format, args...))
	}
	input, err := readWrapped(wrapped)
	if err != nil {
		return nil, unavailable("%w", err)
	}
	out, complaint := &bounded{max: maxText}, &bounded{max: 1 << 10}
	run := exec.CommandContext(limited, command[0], command[1:]...)
	run.Stdin, run.Stdout, run.Stderr = bytes.NewReader(input), out, complaint
	endWhole(run)
	run.WaitDelay = time.Second // a grandchild that keeps the pipe open does not keep us
	err = run.Run()
	switch {
	case ctx.Err() != nil:
		return nil, unavailable("%w%s", ctx.Err(), complaint.says())
	case limited.Err() != nil:
		return nil, unavailable("it did not end within %s%s", commandLimit, complaint.says())
	case err != nil:
		return nil, unavailable("%w%s", err, complaint.says())
	case out.over:
		return nil, unavailable("it printed more than %d bytes", maxText)
	}
	keys, err := parseKeys(out.kept.String(), "command")
	if err == nil && len(keys) == 0 {
		err = errors.New("it printed no key")
	}
	if err != nil {
		return nil, unavailable("what it printed is not a list of keys: %w%s", err, complaint.says())
	}
	return keys, nil
}

func readWrapped(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the wrapped key: %w", err)
	}
	if info.Size() > maxText {
		return nil, fmt.Errorf("the wrapped key %s is larger than %d bytes", path, maxText)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the wrapped key: %w", err)
	}
	return content, nil
}

// bounded keeps the first bytes of what is written to it and takes the rest, so that the writer does not stop.
type bounded struct {
	kept bytes.Buffer // not embedded: its ReadFrom would go past the bound
	max  int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.max-b.kept.Len())
	b.over = b.over || len(p) > room
	b.kept.Write(p[:min(room, len(p))])
	return len(p), nil
}

// says is what was written, in one line, for the end of an error.
func (b *bounded) says() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(b.kept.String(), "\uFFFD")), " ")
	if text == "" {
		return ""
	}
	return "; it says: " + text
}
