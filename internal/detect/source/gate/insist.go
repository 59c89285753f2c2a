package gate

import (
	"context"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
)

// Insist hands the batch to the sink however long that takes. Syslog over TCP and followed files wait here while the
// sink is full or broken, and thereby read no more. What no waiting changes (fault.TooLarge, fault.Invalid) is counted as
// refused and given up. The only error is ctx's.
func Insist(ctx context.Context, sink intake.Sink, observer Observer, b *intake.Batch) error {
	err := insist(ctx, sink, b)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	count(observer, b, err)
	return nil
}

func insist(ctx context.Context, sink intake.Sink, b *intake.Batch) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := sink.Accept(ctx, b)
		if err == nil || fault.Is(err, fault.TooLarge) || fault.Is(err, fault.Invalid) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// Grace returns a context for handing over what was read already when ctx ends: it ends that much later.
func Grace(ctx context.Context, longer time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(longer):
			cancel()
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel() }
}
