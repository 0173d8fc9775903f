//go:build unix

package extapi

import (
	"os"
	"testing"
)

// TestTLSKeyOfRoot: its group may read it, as Kubernetes mounts it.
func TestTLSKeyOfRoot(t *testing.T) {
	for _, tt := range []struct {
		owner, user int
		mode        os.FileMode
		closed      bool
	}{
		{1000, 1000, 0o600, true},
		{1000, 1000, 0o400, true},
		{1000, 1000, 0o640, false},
		{1001, 1000, 0o640, false},
		{0, 1000, 0o640, true},
		{0, 1000, 0o440, true},
		{0, 1000, 0o660, false},
		{0, 1000, 0o644, false},
		{0, 0, 0o640, false},
	} {
		if closed := tt.mode&closedTo(tt.owner, tt.user) == 0; closed != tt.closed {
			t.Errorf("mode %#o of user %d, for user %d: %t", tt.mode, tt.owner, tt.user, closed)
		}
	}
}
