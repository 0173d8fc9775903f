package policy

import (
	"maps"
	"regexp"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// scope is what the names of a policy mean.
type scope struct {
	chains   map[string]uint64
	accounts map[string]common.Address
	tokens   map[string]token
	lists    map[string][]common.Address
	groups   map[string]*rules.Quorum

	sets map[string]*addresses // of lists
}

func newScope() *scope {
	return &scope{
		chains: make(map[string]uint64), accounts: make(map[string]common.Address), tokens: make(map[string]token),
		lists: make(map[string][]common.Address), groups: make(map[string]*rules.Quorum),
		sets: make(map[string]*addresses),
	}
}

// token is a token that the policy declares.
type token struct {
	name     string
	chain    uint64
	address  common.Address
	decimals int
	standard string // "erc20", "erc721" or "erc1155"
}

// nameForm is what a name looks like.
var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// names of a table, for suggestions.
func names[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
