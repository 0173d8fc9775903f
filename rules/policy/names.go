package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// The kinds of names that a policy has for addresses.
const (
	NameOfAccount = "account"
	NameOfToken   = "token"
	NameOfList    = "list" // that the address is in
)

// Name is what a policy calls an address.
type Name struct {
	Kind string
	Name string

	Chain    uint64 // of a token
	Standard string // of a token: "erc20", "erc721" or "erc1155"
	Decimals int    // of a token
}

// Groups returns the groups of people who approve, by name.
func (p *Policy) Groups() []*rules.Quorum {
	groups := slices.Collect(maps.Values(p.groups))
	slices.SortFunc(groups, func(a, b *rules.Quorum) int { return strings.Compare(a.Group, b.Group) })
	return groups
}

// ChainName returns what the policy calls a chain, "" if it has no name for it.
func (p *Policy) ChainName(id uint64) string {
	for _, name := range slices.Sorted(maps.Keys(p.named.chains)) {
		if p.named.chains[name] == id {
			return name
		}
	}
	return ""
}

// NamesOf returns what the policy calls some addresses: as an account, as a token,
// and by the lists that they are in, each kind by name.
func (p *Policy) NamesOf(addresses []common.Address) map[common.Address][]Name {
	names := make(map[common.Address][]Name, len(addresses))
	for _, address := range addresses {
		names[address] = nil
	}
	add := func(address common.Address, name Name) {
		if before, wanted := names[address]; wanted && !slices.Contains(before, name) {
			names[address] = append(before, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.named.accounts)) {
		add(p.named.accounts[name], Name{Kind: NameOfAccount, Name: name})
	}
	for _, name := range slices.Sorted(maps.Keys(p.named.tokens)) {
		t := p.named.tokens[name]
		add(t.address, Name{Kind: NameOfToken, Name: name, Chain: t.chain, Standard: t.standard, Decimals: t.decimals})
	}
	for _, name := range slices.Sorted(maps.Keys(p.named.lists)) {
		for _, address := range p.named.lists[name] {
			add(address, Name{Kind: NameOfList, Name: name})
		}
	}
	maps.DeleteFunc(names, func(_ common.Address, found []Name) bool { return len(found) == 0 })
	return names
}
