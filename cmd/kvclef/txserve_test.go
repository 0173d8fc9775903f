package main

import (
	"errors"
	"fmt"
	"testing"
)

// dataError is an error with data.
type dataError struct{ data any }

// ruledError is one of a policy.
type ruledError struct {
	*dataError
	rule string
}

func (e ruledError) Rule() string { return e.rule }

func (*dataError) Error() string    { return "request denied" }
func (d *dataError) ErrorData() any { return d.data }

func TestOperatorTold(t *testing.T) {
	plain := errors.New("transaction is mined")
	for _, c := range []struct {
		err  error
		want string
	}{
		{plain, plain.Error()},
		{fmt.Errorf("asking: %w", &dataError{map[string]string{"request": "KSO4"}}), "asking: request denied; the log knows it as KSO4"},
		{ruledError{&dataError{map[string]string{"request": "KSO4"}}, ""}, "request denied: no rule allows it; kvclef audit show KSO4 tells why"},
		{ruledError{&dataError{map[string]string{"request": "KSO4", "rule": "daily"}}, "daily"}, "request denied: by rule daily; kvclef audit show KSO4 tells why"},
		{ruledError{&dataError{map[string]string{"request": "KSO4", "rule": "daily", "ticket": "T1"}}, "daily"}, "request denied"},
		{&dataError{"0x08c379a0"}, "request denied"}, // a node's
		{&dataError{nil}, "request denied"},
	} {
		if got := operatorTold(c.err); got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
	if err := operatorTold(nil); err != nil {
		t.Error(err)
	}
}
