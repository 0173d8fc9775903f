//go:build !unix

package clefjs

import (
	"testing"
	"time"
)

// cpu is not measured here.
func cpu(*testing.B) time.Duration { return 0 }
