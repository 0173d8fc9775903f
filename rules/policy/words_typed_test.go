package policy

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// messagesOf are facts about typed data, Safe transactions and texts.
func messagesOf(at time.Time) map[string]*facts.Facts {
	request := func(kind rules.Kind, chain int64) *rules.Request {
		req := &rules.Request{Kind: kind, Account: rules.Account{Address: payouts}, Principal: "local"}
		if chain > 0 {
			req.ChainID = big.NewInt(chain)
		}
		return req
	}
	contract, salt := delegate, common.Hash{1}
	signIn := func(change func(m *facts.SIWE)) *facts.Facts {
		soon, m := at.Add(time.Hour), &facts.SIWE{Domain: "app.example", Address: payouts, URI: "https://app.example/login", ChainID: 1, Statement: "I sign in."}
		m.ExpirationTime = &soon
		change(m)
		return &facts.Facts{Request: request(rules.KindText, 0), Kind: facts.KindText, Time: at, Text: &facts.Text{Bytes: []byte("app.example wants…"), SIWE: m}}
	}
	text := func(text string) *facts.Facts {
		return &facts.Facts{Request: request(rules.KindText, 0), Kind: facts.KindText, Time: at, Text: &facts.Text{Bytes: []byte(text)}}
	}
	return map[string]*facts.Facts{
		"permit": {Request: request(rules.KindTypedData, 1), Kind: facts.KindTypedData, Time: at, Typed: &facts.Typed{
			PrimaryType: "Permit", Name: "USD Coin", Version: "2", Contract: &contract,
			Message: map[string]any{"spender": payouts, "value": big.NewInt(5), "deadline": big.NewInt(at.Add(time.Minute).Unix())},
		}},
		"mail": {Request: request(rules.KindTypedData, 0), Kind: facts.KindTypedData, Time: at, Typed: &facts.Typed{
			PrimaryType: "Mail", Name: "Mail", Salt: &salt, Message: map[string]any{"to": []any{map[string]any{"name": "Bob"}}},
		}},
		"safe": {Request: request(rules.KindSafe, 1), Kind: facts.KindSafe, Time: at, Typed: &facts.Typed{
			PrimaryType: "SafeTx", Contract: &contract, Message: map[string]any{},
			Safe: &facts.Safe{Address: delegate, MaxRefund: *uint256.NewInt(100)},
		}},
		"safe paid": {Request: request(rules.KindSafe, 1), Kind: facts.KindSafe, Time: at, Typed: &facts.Typed{
			PrimaryType: "SafeTx", Contract: &contract, Message: map[string]any{},
			Safe: &facts.Safe{Address: payouts, GasToken: payouts, RefundReceiver: payouts},
		}},
		"hello":    text("hello, Bob\n"),
		"bytes":    text("hello\x00\xff"),
		"invalid":  text("hello\xff"),
		"escape":   text("hello \x1b[31m"),
		"empty":    text(""),
		"sign-in":  signIn(func(*facts.SIWE) {}),
		"expired":  signIn(func(m *facts.SIWE) { m.ExpirationTime = &at }),
		"endless":  signIn(func(m *facts.SIWE) { m.ExpirationTime = nil }),
		"early":    signIn(func(m *facts.SIWE) { later := at.Add(time.Second); m.NotBefore = &later }),
		"stranger": signIn(func(m *facts.SIWE) { m.Address = delegate }),
		"evil": signIn(func(m *facts.SIWE) {
			m.Domain, m.URI, m.ChainID, m.Statement, m.Resources = "evil.example", "https://app.example.evil/", 5, "", []string{"ipfs://x"}
		}),
		"list": {Request: request(rules.KindList, 0), Kind: facts.KindList, Time: at},
		"transaction": {
			Request: request(rules.KindTransaction, 1), Kind: facts.KindTransaction, Time: at, Tx: &facts.Tx{},
			Actions: []facts.Action{{Decoding: facts.None}},
		},
	}
}

func TestMessageWords(t *testing.T) {
	t.Parallel()
	valid := []string{"sign-in", "endless", "evil"}
	texts := append([]string{"hello", "bytes", "invalid", "escape", "empty", "expired", "early", "stranger"}, valid...)
	for _, test := range []struct {
		line    string
		want    []string // for which it is true
		unknown []string // others are false
	}{
		{line: "primary_type: [Permit, Mail]", want: []string{"permit", "mail"}},
		{line: "primary_type: permit"},
		{line: "domain: {name: [USD Coin, Tether]}", want: []string{"permit"}},
		{line: `domain: {name: USD Coin, version: "2", chain: mainnet, contract: codes}`, want: []string{"permit"}},
		{line: "domain: {name: USD Coin, version: 1}"},
		{line: "domain: {chain: sepolia}", unknown: []string{"mail"}},
		{line: "domain: {chain: sepolia, name: USD Coin}"},
		{line: "domain: {chain: 1}", want: []string{"permit", "safe", "safe paid"}, unknown: []string{"mail"}},
		{line: "domain: {contract: payouts}"},
		{line: `domain: {salt: "0x0100000000000000000000000000000000000000000000000000000000000000"}`, want: []string{"mail"}},
		{line: `domain: {salt: "0x0200000000000000000000000000000000000000000000000000000000000000"}`},
		{line: "message: {spender: payouts, value: {max: 5}, deadline: {within: 5m}}", want: []string{"permit"}, unknown: []string{"mail", "safe", "safe paid"}},
		{line: "message: {value: {max: 4}, other: 5}", unknown: []string{"mail", "safe", "safe paid"}},
		{line: "message: {to: {all: {member: {name: Bob}}}}", want: []string{"mail"}, unknown: []string{"permit", "safe", "safe paid"}},
		{line: "message: {to.0.name: Alice}", unknown: []string{"permit", "safe", "safe paid"}},
		{line: "safe: {safe: codes, refund_max: 100 wei, gas_token: none, refund_receiver: none}", want: []string{"safe"}},
		{line: "safe: {safe: codes, refund_max: 99 wei}"},
		{line: "safe: {safe: [codes, payouts], gas_token: [none, payouts], refund_receiver: [none, payouts]}", want: []string{"safe", "safe paid"}},
		{line: "safe: {safe: payouts, gas_token: none}"},
		{line: "safe: {safe: codes, gas_token: payouts}"}, // and not of ether
		{line: "safe: {safe: codes, refund_receiver: payouts}"},
		{line: "safe: {safe: none}"},
		{line: "safe: {safe: payouts, refund_receiver: none}"},
		{line: "text: {max_bytes: 7}", want: []string{"bytes", "invalid", "empty"}},
		{line: `text: {prefix: "hello, "}`, want: []string{"hello"}},
		{line: `text: {exact: ["hello, Bob\n", other]}`, want: []string{"hello"}},
		{line: "text: {printable: true}", want: []string{"hello", "empty", "sign-in", "expired", "endless", "early", "stranger", "evil"}},
		{line: "text: {printable: false, max_bytes: 100}", want: []string{"bytes", "invalid", "escape"}},
		{line: "text: {max_bytes: 1000}", want: texts},
		{line: "siwe: {domain: [app.example, evil.example]}", want: valid},
		{line: "siwe: {domain: app.example, address: self}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], chain: mainnet}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], chain: 5}", want: []string{"evil"}},
		{line: "siwe: {domain: [app.example, evil.example], uri: https://app.example/login}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], uri_prefix: https://app.example/}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], statement: I sign in.}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], resources: true}", want: []string{"evil"}},
		{line: "siwe: {domain: [app.example, evil.example], resources: false}", want: []string{"sign-in", "endless"}},
		{line: "siwe: {domain: [app.example, evil.example], expires_within: 1h}", want: []string{"sign-in", "evil"}},
		{line: "siwe: {domain: [app.example, evil.example], expires_within: 59m}"},
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel()
			p := asked(t, "allow", test.line)
			for name, f := range messagesOf(time.Unix(1_800_000_000, 0)) {
				want := is(slices.Contains(test.want, name))
				if slices.Contains(test.unknown, name) {
					want = unknown
				}
				s := &subject{Facts: f}
				if got := p.test(s); got != want {
					t.Errorf("%s: %v, want %v (got %s, wants %s)", name, got, want, p.got(s), p.want())
				}
				if p.got(s) == "" || p.want() == "" {
					t.Errorf("%s: got %q, want %q", name, p.got(s), p.want())
				}
			}
		})
	}
}

// TestSignInDenied: what is denied by its domain is so for any account and at any
// time.
func TestSignInDenied(t *testing.T) {
	t.Parallel()
	p := asked(t, "deny", "siwe: {domain: app.example}")
	messages := messagesOf(time.Unix(1_800_000_000, 0))
	for name, want := range map[string]truth{"sign-in": isTrue, "stranger": isTrue, "expired": isTrue, "early": isTrue, "evil": isFalse, "hello": isFalse} {
		if got := p.test(&subject{Facts: messages[name]}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestSignInDeniedForOneself: who denies sign-ins of the account itself does not deny those
// for others.
func TestSignInDeniedForOneself(t *testing.T) {
	t.Parallel()
	p := asked(t, "deny", "siwe: {domain: app.example, address: self}")
	messages := messagesOf(time.Unix(1_800_000_000, 0))
	for name, want := range map[string]truth{"sign-in": isTrue, "expired": isTrue, "stranger": isFalse, "evil": isFalse} {
		if got := p.test(&subject{Facts: messages[name]}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestTimeOfSignIns: a message is valid from its first moment on, and not at its last.
func TestTimeOfSignIns(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	before, after := now.Add(-time.Second), now.Add(time.Second)
	for _, tt := range []struct {
		from, until *time.Time
		want        bool
	}{
		{nil, nil, true},
		{&before, &after, true},
		{&now, nil, true},
		{&after, nil, false},
		{nil, &now, false},
		{nil, &before, false},
		{&after, &after, false},
	} {
		if got := inTime(&facts.SIWE{NotBefore: tt.from, ExpirationTime: tt.until}, now); got != tt.want {
			t.Errorf("from %v until %v: %v", tt.from, tt.until, got)
		}
	}
}
