package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// TestGate: what is inside is counted until it has ended, also by a panic, and
// nothing comes in while the gate is shut.
func TestGate(t *testing.T) {
	t.Parallel()
	guard := new(gate)
	var counted int
	methods := guard.around(map[string]proxy.Method{
		"eth_sign":  func(context.Context, json.RawMessage) (any, error) { counted = guard.set(true); return "signed", nil },
		"eth_panic": func(context.Context, json.RawMessage) (any, error) { panic("a defect") },
	})
	if got, err := methods["eth_sign"](t.Context(), nil); got != "signed" || err != nil || counted != 1 {
		t.Errorf("%v, %v, %d", got, err, counted)
	}
	if got, err := methods["eth_sign"](t.Context(), nil); got != nil || !errors.Is(err, errGateShut) {
		t.Errorf("shut: %v, %v", got, err)
	}
	guard.set(false)
	func() {
		defer func() { _ = recover() }()
		_, _ = methods["eth_panic"](t.Context(), nil)
	}()
	if inside := guard.set(false); inside != 0 {
		t.Errorf("%d are inside", inside)
	}
	if open := (*gate)(nil).around(methods); len(open) != len(methods) {
		t.Errorf("without a gate: %d methods", len(open))
	}
}
