package proxy

import (
	"errors"
	"fmt"
	"strings"
)

// DeniedByDefault returns the methods that reach the node only if they are
// allowed by name: those that manage it, and those that use keys of its own.
func DeniedByDefault() []string {
	return []string{
		// what manages the node
		"admin_*", "debug_*", "engine_*", "miner_*", "clique_*", "les_*", "db_*", "shh_*", "bzz_*", "parity_*",
		"perm_*", "plugins_*", "raft_*", "istanbul_*", "dev_*", "testing_*",
		"ibft_proposeValidatorVote", "ibft_discardValidatorVote", "qbft_proposeValidatorVote", "qbft_discardValidatorVote",
		// what uses its keys
		"personal_*", "account_*", "clef_*", "signer_*", "opsigner_*", "quorumPermission_*", "quorumExtension_*",
		"eth_sendTransaction", "eth_signTransaction", "eth_fillTransaction", "eth_resend", "eth_submitTransaction",
		"eth_sign", "eth_signTypedData*", "eth_sendTransactionAsync",
		"kaia_sendTransaction*", "kaia_signTransaction*", "kaia_sign", "klay_sendTransaction*", "klay_signTransaction*", "klay_sign",
	}
}

// access says which methods reach the node.
type access struct {
	handled        map[string]bool // in lower case
	denied, barred patterns        // by the operator; by default
	allowed        patterns
}

func newAccess(cfg Config) (access, error) {
	var wrong []error
	a := access{handled: make(map[string]bool, len(cfg.Methods))}
	for name := range cfg.Methods {
		a.handled[strings.ToLower(name)] = true
	}
	for _, list := range []struct {
		to      *patterns
		entries []string
		lower   bool
	}{{&a.denied, cfg.Deny, true}, {&a.allowed, cfg.Allow, false}, {&a.barred, DeniedByDefault(), true}} {
		for _, entry := range list.entries {
			wrong = append(wrong, list.to.add(entry, list.lower))
		}
	}
	return a, errors.Join(wrong...)
}

// denies reports whether the operator has denied a method, which is then not answered
// here either: what is answered here may ask the node for the same.
func (a *access) denies(method string) bool { return a.denied.match(strings.ToLower(method)) }

// allows reports whether a method that is not answered here may reach the node.
func (a *access) allows(method string) bool {
	lower := strings.ToLower(method)
	switch {
	case a.handled[lower], a.denied.match(lower):
		return false
	case a.allowed.match(method):
		return true
	default:
		return !a.barred.match(lower)
	}
}

// reason tells why a method that is not allowed is not, and not denied.
func (a *access) reason(method string) string {
	if a.handled[strings.ToLower(method)] {
		return reasonSpelled
	}
	return reasonBarred
}

// patterns are names of methods and beginnings of names.
type patterns struct {
	names    map[string]bool
	prefixes []string
}

func (p *patterns) add(entry string, lower bool) error {
	name, prefix := strings.CutSuffix(entry, "*")
	if strings.Contains(name, "*") || !plainMethod([]byte(entry)) {
		return fmt.Errorf(`method pattern %q is neither a name nor a beginning with "*" after it, such as debug_*`, entry)
	}
	if lower {
		name = strings.ToLower(name)
	}
	if prefix {
		p.prefixes = append(p.prefixes, name)
		return nil
	}
	if p.names == nil {
		p.names = make(map[string]bool)
	}
	p.names[name] = true
	return nil
}

func (p *patterns) match(method string) bool {
	if p.names[method] {
		return true
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(method, prefix) {
			return true
		}
	}
	return false
}

// maxMethod bounds the name of a method, in bytes.
const maxMethod = 128

// plainMethod reports whether a name is of printable ASCII without quotes and
// backslashes, so that every decoder reads the same.
func plainMethod(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxMethod
}
