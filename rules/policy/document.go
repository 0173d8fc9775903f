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

// named reads a section of names. Each is a good one.
func (p *parser) named(node *yaml.Node, section string, read func(e entry, what string)) {
	if node == nil {
		return
	}
	for _, e := range p.entries(node, section) {
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
		} else if ok {
			p.scope.chains[e.key] = id
		}
	})
}

func (p *parser) accountNames(node *yaml.Node) {
	p.named(node, "accounts", func(e entry, what string) {
		if reserved(e.key) {
			p.errorf(e.name, "%s: %s means something else in a match", what, e.key)
		} else if address, ok := p.address(e.value, what); ok {
			p.scope.accounts[e.key] = address
		}
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
	p.named(node, "tokens", func(e entry, what string) {
		if _, unit := weiUnits()[e.key]; unit {
			p.errorf(e.name, "%s: %s is a unit of ether", what, e.key)
			return
		}
		found := p.fields(e.value, what, "chain", "address", "decimals", "standard")
		if !p.require(e.value, what, found, "chain", "address") {
			return
		}
		t := token{name: e.key, standard: "erc20"}
		var chainOK, addressOK bool
		t.chain, chainOK = p.chain(found["chain"], what+".chain")
		t.address, addressOK = p.address(found["address"], what+".address")
		if node := found["standard"]; node != nil {
			t.standard, _ = p.choice(node, what+".standard", "erc20", "erc721", "erc1155")
		}
		switch node := found["decimals"]; {
		case node != nil:
			decimals, _ := p.integer(node, what+".decimals", 77)
			t.decimals = int(decimals) // #nosec G115 -- at most 77
		case t.standard == "erc20":
			p.errorf(e.value, "%s: decimals are missing: ask the contract, a wrong number makes every amount wrong", what)
		}
		if chainOK && addressOK {
			p.scope.tokens[e.key] = t
		}
	})
}
