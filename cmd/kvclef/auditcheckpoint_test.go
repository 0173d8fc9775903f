package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/audit"
)

// startTestVault starts an embedded vault with two keys, dev and audit.
func startTestVault(t *testing.T) *embedded {
	t.Helper()
	vault, err := startEmbedded(t.Context(), embeddedOptions{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vault.close)
	if _, err := vault.vaults[0].Create(t.Context(), "audit", false); err != nil {
		t.Fatal(err)
	}
	return vault
}

// TestCheckpointsAreSigned: the head of a real log is signed by a vault's key,
// at the latest when the signer ends; its account is out of callers' reach.
func TestCheckpointsAreSigned(t *testing.T) {
	t.Parallel()
	keyring := startTestVault(t).vaults.keyring()
	key := keyring.Accounts()[0]
	path := filepath.Join(t.TempDir(), "audit.log")
	auditLog, err := audit.Open(t.Context(), path, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Audit.CheckpointKey = key.Address.Hex()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said lockedBuffer
	reserved, stop, err := startCheckpoints(ctx, cfg, keyring, slog.New(slog.NewTextHandler(&said, nil)), auditLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := auditLog.Append(ctx, auditTestEntry()); err != nil {
		t.Fatal(err)
	}
	cancel() // a signal
	stop()
	if err := auditLog.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), path, audit.VerifyOptions{Keys: []common.Address{key.Address}})
	if err != nil || report.Checkpoint == nil || report.Checkpoint.Seq != 1 || reserved != key.Address {
		t.Errorf("checkpoint %+v, %v, reserved %s", report.Checkpoint, err, reserved)
	}
	if !strings.Contains(said.String(), "callers can't use it") || !strings.Contains(said.String(), key.Address.Hex()) {
		t.Errorf("the log says %s", said.String())
	}
	kept := path + ".checkpoint"
	if text := mustKvclef(t, "audit", "verify", path, "--checkpoint", kept, "--checkpoint-key", key.Address.Hex()); !strings.Contains(text, "Checkpoint  of entry 1, signed by "+key.Address.Hex()) {
		t.Errorf("verify says\n%s", text)
	}
	_, stderr, code := kvclef(t, "audit", "verify", path, "--checkpoint-key", "0x71562b71999873DB5b286dF957af199Ec94617F7")
	if code != exitFailure || !strings.Contains(stderr, "not a checkpoint key") {
		t.Errorf("another key: exit code %d, %s", code, stderr)
	}

	// Both of the log's entries, the checkpoint among them, are cut off.
	writeFile(t, path, nil)
	_, stderr, code = kvclef(t, "audit", "verify", path)
	if code != exitFailure || !strings.Contains(stderr, "entry 1") || !bytes.Contains(readFile(t, kept), []byte(`"seq":1`)) {
		t.Errorf("cut off: exit code %d, %s", code, stderr)
	}
}

// TestReservedAccount: the key of checkpoints is no account, the others are.
func TestReservedAccount(t *testing.T) {
	t.Parallel()
	keyring := startTestVault(t).vaults.keyring()
	accounts := keyring.Accounts()
	mine, others := accounts[0].Address, accounts[1:]
	signer := reserve(keyringSigner{keyring}, mine)
	listed := signer.Accounts()
	if len(listed) != len(others) {
		t.Errorf("%d accounts are listed, want %d", len(listed), len(others))
	}
	for i, account := range listed {
		if account.Address != others[i].Address {
			t.Errorf("account %d is %s", i, account.Address)
		}
	}
	if account, ok := signer.Find(t.Context(), mine); ok {
		t.Errorf("it is found: %+v", account)
	}
	if signed, err := signer.Sign(t.Context(), mine, common.Hash{1}); err == nil || outcomeIsOpen(err) {
		t.Errorf("it signs: %+v, %v", signed, err)
	}
	if _, ok := signer.Find(t.Context(), others[0].Address); !ok {
		t.Error("another is not found")
	}
	if _, err := signer.Sign(t.Context(), others[0].Address, common.Hash{1}); err != nil {
		t.Errorf("another does not sign: %v", err)
	}
	if unchanged := reserve(keyringSigner{keyring}, common.Address{}); unchanged != (keyringSigner{keyring}) {
		t.Errorf("nothing is reserved, yet the signer is %T", unchanged)
	}
}

// outcomeIsOpen reports whether an error leaves it open that something was signed.
func outcomeIsOpen(err error) bool {
	var sure interface{ NotSigned() bool }
	return !errors.As(err, &sure) || !sure.NotSigned()
}

func TestCheckpointAccount(t *testing.T) {
	t.Parallel()
	keyring := startTestVault(t).vaults.keyring()
	accounts := keyring.Accounts()
	named := make(map[string]common.Address)
	for _, account := range accounts {
		named[account.Address.Hex()] = account.Address
		named["dev/"+account.Key+"/"+account.Version] = account.Address
		named["DEV/"+account.Key] = account.Address
	}
	for name, want := range named {
		if account, err := checkpointAccount(t.Context(), keyring, name); err != nil || account.Address != want {
			t.Errorf("%s is %s, %v; want %s", name, account.Address, err, want)
		}
	}
	for name, want := range map[string]string{
		"0x71562b71999873DB5b286dF957af199Ec94617F7": "no vault holds the key of 0x7156",
		"dev":        "neither an address nor VAULT/KEY",
		"/dev":       "neither an address nor VAULT/KEY",
		"dev/":       "neither an address nor VAULT/KEY",
		"dev/none":   "vault dev holds no key none that can sign",
		"prod/dev":   "vault prod holds no key dev",
		"dev/dev/1":  "vault dev holds no key dev/1",
		"0x71562b71": "neither an address nor VAULT/KEY",
	} {
		account, err := checkpointAccount(t.Context(), keyring, name)
		if err == nil || !strings.Contains(err.Error(), want) || account.Address != (common.Address{}) {
			t.Errorf("%s: %v, %v; want %q", name, account, err, want)
		}
	}
}

// twoVersions is a vault with a key in two versions.
type twoVersions struct{ brokenVault }

func (twoVersions) Accounts() []backend.Account {
	return []backend.Account{
		{Address: common.Address{1}, Vault: "prod", Key: "audit", Version: "a"},
		{Address: common.Address{2}, Vault: "prod", Key: "audit", Version: "b"},
	}
}

// TestCheckpointKeyOfTwoVersions: which of them signs is not to be guessed.
func TestCheckpointKeyOfTwoVersions(t *testing.T) {
	t.Parallel()
	keyring := backend.NewKeyring(time.Hour, twoVersions{})
	want := "prod/audit has several versions: name one by its address: 0x0100000000000000000000000000000000000000, 0x02"
	if account, err := checkpointAccount(t.Context(), keyring, "prod/audit"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, %v; want %q", account, err, want)
	}
	if account, err := checkpointAccount(t.Context(), keyring, "prod/audit/b"); err != nil || account.Version != "b" {
		t.Errorf("%v, %v", account, err)
	}
}

func TestNoCheckpointKey(t *testing.T) {
	t.Parallel()
	reserved, stop, err := startCheckpoints(t.Context(), config.Default(), nil, nil, nil)
	if err != nil || reserved != (common.Address{}) {
		t.Fatalf("reserved %s, %v", reserved, err)
	}
	stop()
}
