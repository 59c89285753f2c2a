//go:build !unix

package sigma_test

import "time"

func processorTime() time.Duration { return 0 }
