package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestTheCallersIDTellsTheStory: a caller whose request was refused, or failed at the
// vault, gets an id in the error, by which the operator finds it in the audit log, the
// log and the trace, whichever way it came.
func TestTheCallersIDTellsTheStory(t *testing.T) {
	w := startWatched(t)
	for _, way := range []struct {
		transport, principal string
		call                 caller
	}{
		{"http", "batcher", func(t *testing.T, method string, params ...any) answered { return w.call(t, "", method, params...) }},
		{"ipc", "local", w.callIPC},
	} {
		t.Run(way.transport, func(t *testing.T) {
			w.callersIDTellsTheStory(t, way.call, `"principal":"`+way.principal+`"`, `"transport":"`+way.transport+`"`)
		})
	}
}

// caller asks a signer.
type caller func(t *testing.T, method string, params ...any) answered

// callersIDTellsTheStory asks for what is refused and for what fails. The audit log
// must tell who asked.
func (w *watched) callersIDTellsTheStory(t *testing.T, call caller, who ...string) {
	var accounts []string
	if err := json.Unmarshal(call(t, "account_list").Result, &accounts); err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, %v", accounts, err)
	}
	dear := w.transaction(accounts[0])
	dear["value"] = "0x2" // more than the policy allows at once
	for _, c := range []struct {
		name    string
		ask     map[string]any
		fault   *emulator.Fault
		audit   []string // is in entries of it
		outcome bool     // it came to the vault
	}{
		{"refused", dear, nil, []string{`"verdict":"reject"`}, false},
		{"failed", w.transaction(accounts[0]), &emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultForbiddenRBAC}, []string{`"verdict":"approve"`, `"event":"outcome"`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fault != nil {
				defer w.vault.Inject(*c.fault)()
			}
			answer := call(t, "account_signTransaction", c.ask)
			id, _ := answer.Error.Data["request"].(string)
			if answer.Result != nil || len(id) != 26 {
				t.Fatalf("the error has no id: %+v", answer)
			}
			log, err := os.ReadFile(filepath.Join(w.data, "audit.log"))
			if err != nil {
				t.Fatal(err)
			}
			var entries []string
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, `"request":"`+id+`"`) {
					entries = append(entries, line)
				}
			}
			for _, want := range slices.Concat(c.audit, who) {
				if !strings.Contains(strings.Join(entries, ""), want) {
					t.Errorf("the audit log does not have %s of it:\n%s", want, strings.Join(entries, ""))
				}
			}
			await(t, "the trace of the request", func() bool {
				for _, span := range w.receiver.of(id) {
					if span.GetName() == "account_signTransaction" {
						return true
					}
				}
				return false
			})
			signs := 0
			for _, span := range w.receiver.of(id) {
				if span.GetName() == "sign" {
					signs++
				}
			}
			if (signs == 1) != c.outcome {
				t.Errorf("%d spans of signing", signs)
			}
			lines := 0
			for line := range strings.Lines(w.output.String()) {
				if strings.Contains(line, `"request_id":"`+id+`"`) {
					lines++
				}
			}
			if lines == 0 {
				t.Errorf("the log has nothing of it:\n%s", w.output)
			}
		})
	}
}
