package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

const worksAccount = "0x71562b71999873DB5b286dF957af199Ec94617F7"

// worksPolicy makes a policy of rules, each "EFFECT MATCH".
func worksPolicy(t *testing.T, all ...string) *policy.Policy {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i, rule := range all {
		effect, match, _ := strings.Cut(rule, " ")
		fmt.Fprintf(&b, "  - {id: r%d, effect: %s, match: {%s}}\n", i+1, effect, match)
	}
	loaded, err := policy.Load("policy.yaml", []byte(b.String()), policy.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return loaded
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	plain := func(*config.Config) {}
	http := func(cfg *config.Config) { cfg.Listeners.IPC.Disabled, cfg.Listeners.HTTP.Enabled = true, true }
	front := func(cfg *config.Config) { http(cfg); cfg.Proxy.Node = "http://localhost:8545" }
	pay := func(name string) string { return "allow principal: [" + name + "], kind: [transaction], to: self" }
	for name, tt := range map[string]struct {
		set   func(*config.Config)
		rules []string
		want  string
	}{
		"the socket's":       {plain, []string{pay("local")}, ""},
		"whoever asks":       {http, []string{"allow kind: [transaction], to: self"}, ""},
		"misspelt":           {plain, []string{pay("local"), pay("payrol")}, "rule r2 (line 4); callers here are local"},
		"one of two":         {plain, []string{pay("payroll, local")}, ""},
		"after other words":  {http, []string{"allow kind: [list], principal: [local]"}, "rule r1 (line 3); callers here are anonymous"},
		"a rule that denies": {plain, []string{pay("local"), "deny principal: [payrol]"}, ""},
		"no socket":          {http, []string{pay("local")}, "rule r1 (line 3); callers here are anonymous"},
		"kvclef tx alone":    {front, []string{pay("local")}, "rule r1 (line 3); callers here are anonymous"},
		"kvclef tx besides":  {front, []string{pay("local"), pay("anonymous")}, ""},
		"a secret":           {func(cfg *config.Config) { http(cfg); cfg.Listeners.HTTP.JWT.SecretFile = "f" }, []string{pay("jwt"), pay("anonymous")}, "rule r2 (line 4); callers here are jwt"},
		"a secret with a name": {func(cfg *config.Config) {
			http(cfg)
			cfg.Listeners.HTTP.JWT = config.JWT{SecretFile: "f", SecretPrincipal: "node"}
		}, []string{pay("node"), pay("jwt")}, "rule r2 (line 4); callers here are node"},
		"certificates":        {func(cfg *config.Config) { front(cfg); cfg.Proxy.TLS.ClientCAFile = "f" }, []string{pay("payrol")}, ""},
		"tokens of an issuer": {func(cfg *config.Config) { http(cfg); cfg.Listeners.HTTP.JWT.Issuer = "https://i.example" }, []string{pay("payrol")}, ""},
		"users":               {func(cfg *config.Config) { cfg.Listeners.IPC.Principals = map[string]string{"1": "a", "2": "b"} }, []string{pay("local")}, ""},
		"users, known ones": {func(cfg *config.Config) {
			cfg.Listeners.IPC.Principals, cfg.Listeners.IPC.OnlyKnown = map[string]string{"1": "a", "2": "b"}, true
		}, []string{pay("b"), pay("local")}, "rule r2 (line 4); callers here are a, b"},
		"a listing": {plain, []string{"allow principal: [payrol], kind: [list]", pay("local")}, "rule r1 (line 3)"},
	} {
		cfg := config.Default()
		tt.set(cfg)
		got := strings.Join(strangers(cfg, worksPolicy(t, tt.rules...)), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestUncancellable: kvclef tx asks as local, which no rule for the proxy's callers allows.
func TestUncancellable(t *testing.T) {
	t.Parallel()
	const pay = "allow principal: [anonymous], kind: [transaction], to: self"
	for name, tt := range map[string]struct {
		rules []string
		warns bool
	}{
		"for callers alone":      {[]string{pay}, true},
		"for both":               {[]string{"allow principal: [anonymous, local], kind: [transaction], to: self"}, false},
		"by itself":              {[]string{pay, "allow principal: [local], kind: [transaction], to: self, value_max: 0 wei, fee_cap_max: 1 wei"}, false},
		"for whoever asks":       {[]string{"allow kind: [transaction], to: self"}, false},
		"by another way in":      {[]string{pay, "allow principal: [local], listener: [http], kind: [transaction], to: self"}, true},
		"by the account's name":  {[]string{`allow principal: [local], kind: [transaction], to: ["` + worksAccount + `"]`}, false},
		"to another":             {[]string{`allow principal: [local], kind: [transaction], to: ["0x00000000000000000000000000000000000000f1"]`}, true},
		"at times":               {[]string{pay, "allow principal: [local], kind: [transaction], to: self, time: {hours: 00:00-00:01, zone: UTC}, tx_type: [0]"}, false},
		"of another account":     {[]string{pay, `allow principal: [local], account: ["0x00000000000000000000000000000000000000f1"], kind: [transaction], to: self`}, true},
		"on another chain":       {[]string{pay, "allow principal: [local], chain: [5], kind: [transaction], to: self"}, true},
		"on one of the chains":   {[]string{pay, "allow principal: [local], chain: [10], kind: [transaction], to: self"}, false},
		"denied":                 {[]string{"allow kind: [transaction], to: self", "deny principal: [local]"}, true},
		"denied at times":        {[]string{"allow kind: [transaction], to: self", "deny principal: [local], time: {hours: 00:00-23:59, zone: UTC}"}, false},
		"nothing is sent":        {[]string{"allow principal: [anonymous], kind: [text]"}, false},
		"of an account not here": {[]string{`allow principal: [anonymous], account: ["0x00000000000000000000000000000000000000f1"], kind: [transaction], to: self`}, false},
	} {
		cfg := config.Default()
		cfg.ChainIDs, cfg.Proxy.Node = []uint64{1, 10}, "http://localhost:8545"
		loaded := worksPolicy(t, tt.rules...)
		accounts := []rules.Account{{Address: common.HexToAddress(worksAccount)}}
		got := uncancellable(cfg, loaded, accounts)
		if warns := len(got) > 0; warns != tt.warns {
			t.Errorf("%s: %q", name, got)
		}
		if cfg.Proxy.Node = ""; len(uncancellable(cfg, loaded, accounts)) > 0 {
			t.Errorf("%s: warns of a signer that sends nothing", name)
		}
	}
}

// TestUncancellableOnAChainThatIsNotKnown: kvclef proxy takes the node's.
func TestUncancellableOnAChainThatIsNotKnown(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Proxy.Node = "http://localhost:8545"
	loaded := worksPolicy(t, "allow principal: [local], chain: [10], kind: [transaction], to: self")
	if got := uncancellable(cfg, loaded, []rules.Account{{Address: common.HexToAddress(worksAccount)}}); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
