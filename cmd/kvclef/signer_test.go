package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/extapi"
)

var _ extapi.Signer = keyringSigner{}

// brokenVault holds one account, and fails to sign if it has a failure.
type brokenVault struct{ failure error }

func (brokenVault) Name() string { return "broken" }
func (brokenVault) Accounts() []backend.Account {
	return []backend.Account{{Address: common.Address{1}, Vault: "broken", Key: "k", Version: "v", Tags: map[string]string{"team": "a"}}}
}
func (brokenVault) Refresh(context.Context) error { return nil }
func (v brokenVault) Sign(context.Context, backend.Account, common.Hash) (backend.Signed, error) {
	if v.failure != nil {
		return backend.Signed{}, v.failure
	}
	return backend.Signed{Signature: [65]byte{1}, Vault: "broken", Key: "k", Version: "v", RequestID: "r"}, nil
}

func TestASignatureKeepsWhereItWasMade(t *testing.T) {
	t.Parallel()
	signed, err := keyringSigner{backend.NewKeyring(0, brokenVault{})}.Sign(t.Context(), common.Address{1}, common.Hash{})
	want := extapi.Signed{Signature: [65]byte{1}, Vault: "broken", Key: "k", Version: "v", RequestID: "r"}
	if err != nil || signed != want {
		t.Errorf("got %+v, %v, want %+v", signed, err, want)
	}
}

func TestFailuresKeepWhatTheAPIAsksFor(t *testing.T) {
	t.Parallel()
	cause := errors.New("dump of an answer")
	for _, tt := range []struct {
		name      string
		failure   error
		public    string
		notSigned bool
		retry     time.Duration
		request   string
	}{
		{
			"busy", &backend.Error{Kind: backend.KindBusy, Message: "vault broken is busy", RetryAfter: 3 * time.Second, NotSigned: true, RequestID: "r", Cause: cause},
			"vault broken is busy", true, 3 * time.Second, "r",
		},
		{"unclear", &backend.Error{Message: "vault broken did not answer", Cause: cause}, "vault broken did not answer", false, 0, ""},
		{"gone", backend.ErrUnknownAccount, "signing failed in vault broken", false, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signer := keyringSigner{backend.NewKeyring(0, brokenVault{tt.failure})}
			signed, err := signer.Sign(t.Context(), common.Address{1}, common.Hash{})
			var told interface{ Public() string }
			var sure interface{ NotSigned() bool }
			var busy interface{ RetryAfter() time.Duration }
			var asked interface{ RequestID() string }
			if !errors.As(err, &told) || !errors.As(err, &sure) || !errors.As(err, &busy) || !errors.As(err, &asked) {
				t.Fatalf("%T lacks a method", err)
			}
			if told.Public() != tt.public || sure.NotSigned() != tt.notSigned || busy.RetryAfter() != tt.retry || asked.RequestID() != tt.request {
				t.Errorf("got %q, %t, %s, %q", told.Public(), sure.NotSigned(), busy.RetryAfter(), asked.RequestID())
			}
			if signed != (extapi.Signed{}) {
				t.Error("an error came with a signature")
			}
		})
	}
}

func TestUnknownAccountsAreCertainlyNotSigned(t *testing.T) {
	t.Parallel()
	signer := keyringSigner{backend.NewKeyring(time.Hour, brokenVault{})}
	_, err := signer.Sign(t.Context(), common.Address{2}, common.Hash{})
	var sure interface{ NotSigned() bool }
	var told interface{ Public() string }
	if !errors.As(err, &sure) || !sure.NotSigned() || !errors.As(err, &told) || told.Public() != "unknown account" {
		t.Errorf("got %v", err)
	}
	if _, ok := signer.Find(t.Context(), common.Address{2}); ok {
		t.Error("found an account that no vault holds")
	}
}

func TestAccountsAreAsRulesSeeThem(t *testing.T) {
	t.Parallel()
	signer := keyringSigner{backend.NewKeyring(time.Hour, brokenVault{})}
	found, ok := signer.Find(t.Context(), common.Address{1})
	if listed := signer.Accounts(); !ok || len(listed) != 1 || listed[0].Address != found.Address {
		t.Fatalf("listed %v, found %v", listed, found)
	}
	if found.Vault != "broken" || found.Key != "k" || found.Version != "v" || found.Tags["team"] != "a" {
		t.Errorf("got %+v", found)
	}
}
