package audit

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain checks that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// processorTime is not measured here.
func processorTime(testing.TB) time.Duration { return 0 }
