package policy

import (
	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules/facts"
)

// truth is the value of a predicate.
type truth uint8

// The three values. The zero value is what is least known.
const (
	unknown truth = iota
	isFalse       // and where it does not apply
	isTrue
)

// subject is what a predicate is asked about: the request, and where its level
// needs it one action and one effect of that.
type subject struct {
	*facts.Facts
	action *facts.Action
	effect *facts.Effect

	failed int // the place among the words of a match of the one that failed last, or -1: a hint

	decoded map[decoding]decoded // calls of functions that a policy describes
}

// predicate is one line of a match, ready to be asked. It is immutable, and a
// pointer: those that are the same are told by it.
type predicate interface {
	// key is the word of the policy, such as "value_max".
	key() string

	// test asks. It allocates nothing in the common case.
	test(s *subject) truth

	// want says what must hold, got what does, for people: "at most 3 ether",
	// "4 ether". got is asked for explanations only.
	want() string
	got(s *subject) string
}

// narrowing is a predicate that is false whenever a value of the request is not
// among a few: rules are found by it. It is for plain sets alone.
type narrowing interface {
	predicate
	narrows() keys
}

// keys are the values for which a predicate may be anything but false.
type keys struct {
	by        dimension
	addresses []common.Address // byAccount, byTo, byToken, byRecipient
	numbers   []uint64         // byChain, bySelector
	texts     []string         // byPrincipal
	member    *located         // byMember
}

// dimension is a value that rules are found by. The zero dimension is none.
type dimension uint8

const (
	byNothing   dimension = iota
	byAccount             // Request.Account.Address
	byChain               // Request.ChainID; false where there is none, but for typed data
	byPrincipal           // Request.Principal
	byTo                  // Action.To
	byToken               // Effect.Token
	byRecipient           // Effect.Recipient
	bySelector            // the first four bytes of Action.Data; may be true where there are fewer, but none
	dimensions
	byMember // an address in a call or a message; for rules that allow
)

// level is what a predicate is about.
type level uint8

const (
	aboutRequest level = iota
	aboutAction
	aboutEffect
)

// word is a key that may stand in a match.
type word struct {
	key   string
	level level
	doc   string // one sentence, for the reference and for editors
	shape shape  // what may stand there

	// kinds are those of requests that it may hold for; nil is all of them. Where it
	// is not set, it is that of the table the word is in.
	kinds []string

	// parse makes the predicate of a node. It returns nil after a problem, which it
	// has noted: the rest of the file is read all the same.
	parse func(p *parser, node *yaml.Node) predicate
}

// shape is what may stand at a key: a JSON Schema (2020-12).
type shape map[string]any
