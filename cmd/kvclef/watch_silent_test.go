package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// TestASilentVaultIsTold: while a vault takes requests and answers none, those who watch
// see first that they pile up, then, once several have run out of time, that the vault is
// away. The signer is ready again when the vault answers.
func TestASilentVaultIsTold(t *testing.T) {
	w := startWatched(t, "try_timeout: 1s")
	var accounts []string
	if err := json.Unmarshal(w.callIPC(t, "account_list").Result, &accounts); err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, %v", accounts, err)
	}
	w.vault.SetLatency(time.Hour)
	done := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer close(done)
	for caller := range 8 { // each asks for one signature after the other
		asking.Go(func() {
			for again := 0; ; again++ {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Millisecond):
					text := hexutil.Encode(fmt.Append(nil, caller, again))
					w.callIPC(t, "account_signData", "text/plain", accounts[0], text)
				}
			}
		})
	}
	shown := func(lines ...string) func() bool {
		return func() bool {
			_, metrics := w.get(t, "/metrics")
			for _, line := range lines {
				if !strings.Contains(metrics, line) {
					return false
				}
			}
			return true
		}
	}
	await(t, "requests that pile up", shown(`kvclef_vault_requests_in_flight{vault="kv-prod"} 8`))
	ready := func(want int, told string) func() bool {
		return func() bool {
			status, text := w.get(t, "/readyz")
			return status == want && strings.Contains(text, told)
		}
	}
	await(t, "the signer not to be ready", ready(http.StatusServiceUnavailable, `{"name":"vault kv-prod","ok":false,"reason":"it does not answer"}`))
	await(t, "the metrics of a vault that is away", shown(
		`kvclef_vault_circuit_open{vault="kv-prod"} 1`, `kvclef_ready_check{check="vault kv-prod"} 0`,
		`kvclef_vault_held_back_total{reason="circuit",vault="kv-prod"}`,
	))
	w.vault.SetLatency(0)
	await(t, "the signer to be ready again", ready(http.StatusOK, `"ready":true`))
	await(t, "the metrics of a vault that answers", shown(`kvclef_vault_circuit_open{vault="kv-prod"} 0`, `kvclef_ready_check{check="vault kv-prod"} 1`))
}
