package extapi

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/external"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// TestClients drives both listeners with go-ethereum's own clients.
func TestClients(t *testing.T) {
	vault := &holder{account: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")}
	account, err := NewAccount(Config{Decider: rules.NoRules{}, Signer: vault, Auditor: new(entries), ChainIDs: []*big.Int{big.NewInt(1337)}})
	if err != nil {
		t.Fatal(err)
	}
	server := listeners(t, account, ServerConfig{})
	for name, endpoint := range map[string]string{"ipc": server.cfg.IPCPath, "http": "http://" + server.HTTPAddr()} {
		t.Run(name, func(t *testing.T) {
			client, err := rpc.DialContext(t.Context(), endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			modules, err := client.SupportedModules()
			if err != nil {
				t.Fatal(err)
			}
			if len(modules) != 2 || modules["account"] != "1.0" || modules["rpc"] != "1.0" {
				t.Errorf("modules %v, want account and rpc 1.0", modules)
			}
			batch := make([]rpc.BatchElem, 1001)
			for i := range batch {
				batch[i] = rpc.BatchElem{Method: "account_version", Result: new(string)}
			}
			if err := client.BatchCallContext(t.Context(), batch[:1000]); err != nil {
				t.Fatal(err)
			}
			for i, call := range batch[:1000] {
				if call.Error != nil || *call.Result.(*string) != Version {
					t.Fatalf("call %d of a batch: %v, %v", i, call.Error, *call.Result.(*string))
				}
			}
			if err := client.BatchCallContext(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if first := batch[0].Error; first == nil || first.Error() != "batch too large" {
				t.Errorf("batch of 1001: %v, want batch too large", first)
			}
		})
	}
}

// TestExternalSigner connects as geth --signer does.
func TestExternalSigner(t *testing.T) {
	vault := &holder{account: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")}
	account, err := NewAccount(Config{Decider: rules.NoRules{}, Signer: vault, Auditor: new(entries), ChainIDs: []*big.Int{big.NewInt(1337)}})
	if err != nil {
		t.Fatal(err)
	}
	server := unchecked(t, account, ServerConfig{}) // the client has no method to close it
	for name, endpoint := range map[string]string{"ipc": server.cfg.IPCPath, "http": "http://" + server.HTTPAddr()} {
		t.Run(name, func(t *testing.T) {
			signer, err := external.NewExternalSigner(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			accounts := signer.Accounts()
			if len(accounts) != 1 || accounts[0].Address != vault.account {
				t.Errorf("accounts %v, want %s", accounts, vault.account)
			}
			if status, _ := signer.Status(); status != "ok [version="+Version+"]" {
				t.Errorf("status %q", status)
			}
		})
	}
}

// TestShutdownAnswersWhatIsInFlight asks, shuts down, and gets the answer.
func TestShutdownAnswersWhatIsInFlight(t *testing.T) {
	for _, transport := range []string{"ipc", "http"} {
		t.Run(transport, func(t *testing.T) {
			held := newProbe()
			server := listeners(t, held, ServerConfig{})
			endpoint := server.cfg.IPCPath
			if transport == "http" {
				endpoint = "http://" + server.HTTPAddr()
			}
			client, err := rpc.DialContext(t.Context(), endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			answered := make(chan error, 1)
			go func() {
				var answer string
				answered <- client.CallContext(context.WithoutCancel(t.Context()), &answer, "account_wait")
			}()
			<-held.entered
			down := make(chan error, 1)
			go func() { down <- server.Shutdown(context.WithoutCancel(t.Context())) }()
			close(held.release)
			if err := <-answered; err != nil {
				t.Errorf("call in flight: %v", err)
			}
			if err := <-down; err != nil {
				t.Errorf("shutting down: %v", err)
			}
		})
	}
}
