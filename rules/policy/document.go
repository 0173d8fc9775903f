package policy

import (
	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"
)

// version is that of the language.
const version = "1"

// sections are the keys of a policy.
func sections() []string {
	return []string{"version", "chains", "accounts", "tokens", "lists", "approvals", "budgets", "rules"}
}

// policy reads a whole file. Names are read first: they may be used above the
// place where they are declared.
func (p *parser) policy(to *Policy, root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		p.errorf(root, "want keys and values, such as version: 1, not %s", kindOf(root))
		return
	}
	found := p.fields(root, "policy", sections()...)
	p.require(root, "policy", found, "version", "rules")
	if node := found["version"]; node != nil && (node.Kind != yaml.ScalarNode || node.Value != version) {
		p.errorf(node, "version: want %s, the version of the policy language, not %s", version, kindOf(node))
	}
	p.chainNames(found["chains"])
	p.accountNames(found["accounts"])
	p.tokenNames(found["tokens"])
	p.listNames(found["lists"])
	p.groupNames(found["approvals"])
	to.groups = p.scope.groups
	ids := make(map[string]int) // of limits, and where they are
	p.budgets(to, found["budgets"], ids)
	p.rules(to, found["rules"], ids)
}

// named reads a section of names. What is declared is known afterwards, though
// something was wrong with it: else each use would be a problem of its own.
func (p *parser) named(node *yaml.Node, section string, read func(e entry, what string)) {
	if node == nil {
		return
	}
	for _, e := range p.entries(node, section) {
		if p.full() {
			return
		}
		if !nameForm.MatchString(e.key) {
			p.errorf(e.name, "%s: %s is no name: want a letter, then letters, digits and _.-, 64 in all", section, quoted(e.key))
			continue
		}
		read(e, section+"."+e.key)
	}
}

func (p *parser) chainNames(node *yaml.Node) {
	p.named(node, "chains", func(e entry, what string) {
		id, ok := p.integer(e.value, what, 1<<63-1)
		if ok && id == 0 {
			p.errorf(e.value, "%s: no chain has the id 0", what)
		}
		p.scope.chains[e.key] = id
	})
}

func (p *parser) accountNames(node *yaml.Node) {
	p.named(node, "accounts", func(e entry, what string) {
		if reserved(e.key) {
			p.errorf(e.name, "%s: %s means something else in a match", what, e.key)
			return
		}
		p.scope.accounts[e.key], _ = p.address(e.value, what)
	})
}

// reserved tells whether a name has a meaning where addresses stand.
func reserved(name string) bool { return name == wordSelf || name == wordNone || name == wordAny }

// The words that may stand where addresses do.
const (
	wordSelf = "self" // the account that is asked for
	wordNone = "none" // the zero address
	wordAny  = "any"
)

func (p *parser) listNames(node *yaml.Node) {
	p.named(node, "lists", func(e entry, what string) {
		if _, account := p.scope.accounts[e.key]; account || reserved(e.key) {
			p.errorf(e.name, "%s: %s means something else in a match", what, e.key)
			return
		}
		var list []common.Address
		for _, element := range p.list(e.value, what) {
			if account, ok := p.scope.accounts[element.Value]; ok {
				list = append(list, account)
			} else if address, ok := p.address(element, what); ok {
				list = append(list, address)
			}
		}
		p.scope.lists[e.key] = list
	})
}

func (p *parser) tokenNames(node *yaml.Node) {
	places := make(map[tokenPlace]string)
	p.named(node, "tokens", func(e entry, what string) {
		if _, unit := weiUnits()[e.key]; unit {
			p.errorf(e.name, "%s: %s is a unit of ether", what, e.key)
			return
		}
		t := token{name: e.key, standard: "erc20", decimals: maxDecimals}
		defer func() { p.scope.tokens[e.key] = t }()
		found := p.fields(e.value, what, "chain", "address", "decimals", "standard")
		if !p.require(e.value, what, found, "chain", "address") {
			return
		}
		var chainOK, addressOK bool
		t.chain, chainOK = p.chain(found["chain"], what+".chain")
		t.address, addressOK = p.address(found["address"], what+".address")
		if node := found["standard"]; node != nil {
			t.standard = p.choice(node, what+".standard", standards()...)
		}
		switch node := found["decimals"]; {
		case node != nil:
			if decimals, ok := p.integer(node, what+".decimals", maxDecimals); ok {
				t.decimals = int(decimals) // #nosec G115 -- at most maxDecimals
			}
		case t.standard == "erc20":
			p.errorf(e.value, "%s: decimals are missing: ask the contract, a wrong number makes every amount wrong", what)
		default:
			t.decimals = 0
		}
		place := tokenPlace{t.chain, t.address}
		if first, again := places[place]; again && chainOK && addressOK {
			p.errorf(e.name, "%s: the same token is declared as %s", what, first)
		} else {
			places[place] = e.key
		}
	})
}

// tokenPlace is where a token is.
type tokenPlace struct {
	chain   uint64
	address common.Address
}

const maxDecimals = 77

// standards are the kinds of tokens.
func standards() []string { return []string{"erc20", "erc721", "erc1155"} }
