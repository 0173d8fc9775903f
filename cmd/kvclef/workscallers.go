package main

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// listenerCallers are the principals that listeners can prove.
type listenerCallers struct {
	names []string // each once
	any   bool     // others come too, by certificates, tokens or users of the machine, whose names are not known
}

// callersOf returns who may ask over the listeners of a configuration.
func callersOf(cfg *config.Config) (all listenerCallers) {
	ipc, http, proxy := &cfg.Listeners.IPC, &cfg.Listeners.HTTP, &cfg.Proxy
	switch {
	case ipc.Disabled:
	case ipc.TellsUsers():
		for _, name := range ipc.Principals {
			all.add(name)
		}
		all.any = !ipc.OnlyKnown
	default:
		all.add(extapi.Local)
	}
	if http.Enabled {
		all.ofListener(&http.TLS, &http.JWT)
	}
	if proxy.Enabled() {
		all.ofListener(&proxy.TLS, &proxy.JWT)
	}
	slices.Sort(all.names)
	return all
}

// ofListener adds who may ask over a listener of HTTP: a token has the name where there are
// both.
func (c *listenerCallers) ofListener(tls *config.TLS, tokens *config.JWT) {
	switch {
	case tokens.Enabled():
		c.any = c.any || tokens.Issuer != ""
		switch {
		case tokens.SecretFile == "":
		case tokens.SecretPrincipal != "":
			c.add(tokens.SecretPrincipal)
		default:
			c.add(sharedName)
		}
	case tls.ClientCAFile != "":
		c.any = true
	default:
		c.add(extapi.Anonymous)
	}
}

func (c *listenerCallers) add(name string) {
	if !slices.Contains(c.names, name) {
		c.names = append(c.names, name)
	}
}

// strangers tells of rules for callers whom nothing here can prove to be who they are. Where
// names come that are not known here, any rule may be for one of them.
func strangers(cfg *config.Config, loaded *policy.Policy) []string {
	known := callersOf(cfg)
	if known.any || len(known.names) == 0 {
		return nil
	}
	var never []string
	reached, all := false, loaded.Rules() // whether a caller of a listener reaches one
	found := make([]bool, len(all))       // likewise, or kvclef tx
	names := known.names
	if cfg.Proxy.Enabled() && !slices.Contains(names, extapi.Local) {
		names = append(slices.Clone(names), extapi.Local)
	}
	for _, name := range names {
		for i, words := range wordsSay(loaded, &rules.Request{Principal: name}) {
			if all[i].Effect == policy.Allow && !all[i].Shadow && words.hold("principal") {
				found[i] = true
				reached = reached || slices.Contains(known.names, name)
			}
		}
	}
	for i := range all {
		if all[i].Effect == policy.Allow && !all[i].Shadow && (!found[i] || !reached) {
			never = append(never, fmt.Sprintf("rule %s (line %d)", all[i].ID, all[i].Line))
		}
	}
	if len(never) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the policy %s has rules for principals whom no listener here can prove, so that they match no caller: %s; callers here are %s",
		loaded.Name(), some(never), some(known.names))}
}

// uncancellable tells of a policy by which the operator can't cancel what was sent through a
// proxy: kvclef tx asks as its own principal, which is easily forgotten until it is needed.
func uncancellable(cfg *config.Config, loaded *policy.Policy, accounts []rules.Account) []string {
	if !cfg.Proxy.Enabled() || len(accounts) == 0 {
		return nil
	}
	sends := false // or there is nothing to cancel
	chains := cfg.ChainIDs
	if len(chains) == 0 { // the node's, which is not known
		chains = []uint64{params.MainnetChainConfig.ChainID.Uint64()}
	}
	for _, account := range accounts {
		for _, id := range chains {
			may, denied := false, false
			all := loaded.Rules()
			for i, words := range wordsSay(loaded, cancellation(account, id)) {
				switch rule := &all[i]; {
				case rule.Shadow:
				case rule.Effect == policy.Deny:
					denied = denied || words.certain(len(cfg.ChainIDs) > 0)
				default:
					sends = sends || words.hold("kind", "method", "account")
					may = may || words.possible(len(cfg.ChainIDs) > 0)
				}
			}
			if may && !denied {
				return nil
			}
		}
	}
	if !sends {
		return nil
	}
	return []string{fmt.Sprintf("the policy %s has no rule by which principal %s may send 0 wei from an account to itself: kvclef tx cancel asks for that, and is refused; "+
		"kvclef tx bump asks as %[2]s too: add a rule for principal: [%[2]s] with to: self", loaded.Name(), extapi.Local)}
}

// cancellation is what kvclef tx cancel asks for, with fees that no bound refuses.
func cancellation(account rules.Account, chain uint64) *rules.Request {
	id := new(big.Int).SetUint64(chain)
	return &rules.Request{
		Kind: rules.KindTransaction, Method: "eth_sendTransaction", Account: account, Principal: extapi.Local, ChainID: id,
		Caller: rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"},
		Transaction: types.NewTx(&types.DynamicFeeTx{
			ChainID: id, To: &account.Address, Gas: params.TxGas, GasFeeCap: new(big.Int), GasTipCap: new(big.Int), Value: new(big.Int),
		}),
	}
}

// words are the words of a rule, with what each says of a request.
type words []policy.WordCoverage

// wordsSay returns what the words of each rule say of a request, each by itself.
func wordsSay(loaded *policy.Policy, req *rules.Request) []words {
	coverage := loaded.NewCoverage()
	coverage.Add(req, time.Now(), rules.Decision{})
	answers := make([]words, len(loaded.Rules()))
	for i, rule := range coverage.Rules()[:len(answers)] {
		answers[i] = rule.Words
	}
	return answers
}

// hold reports whether words are true, or not there.
func (w words) hold(keys ...string) bool {
	return !slices.ContainsFunc(w, func(word policy.WordCoverage) bool { return slices.Contains(keys, word.Word) && word.True == 0 })
}

// passing reports whether a word says something else of another cancellation: at another
// time, of a transaction of another type, or on a chain that is not known here.
func passing(word string, chainKnown bool) bool {
	return slices.Contains([]string{"time", "not_before", "not_after", "tx_type"}, word) || word == "chain" && !chainKnown
}

// possible reports whether a rule that allows may match. What may lie within an action does
// not matter: there is nothing.
func (w words) possible(chainKnown bool) bool {
	return !slices.ContainsFunc(w, func(word policy.WordCoverage) bool {
		return word.True == 0 && !strings.HasPrefix(word.Word, "inner[") && !passing(word.Word, chainKnown)
	})
}

// certain reports whether a rule that denies matches, whenever it is asked.
func (w words) certain(chainKnown bool) bool {
	return !slices.ContainsFunc(w, func(word policy.WordCoverage) bool {
		return word.True == 0 && word.Unknown == 0 || passing(word.Word, chainKnown)
	})
}
