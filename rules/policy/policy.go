// Package policy decides by a policy: a YAML file of typed rules, without an
// expression language.
//
// A request is approved if no rule with effect deny matches it, and the first
// rule with effect allow that matches has room in its limits and in every budget
// that applies. Nothing else approves: what no rule matches is rejected, and a
// limit that is passed never leads on to a broader rule.
//
// A predicate is true, false, or unknown. It is false where it does not apply: a
// plain transfer has no method. It is unknown where the request is not understood:
// a known method whose arguments don't fit. Unknown fails a rule that allows, and
// matches a rule that denies.
//
// The package never signs, asks no vault and no chain, keeps no state of its
// own, and never uses a policy that has an error in it.
package policy

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
)

// Policy is a policy that was loaded without an error. It is immutable and safe
// for concurrent use.
type Policy struct {
	name   string      // the file's, for people
	hash   common.Hash // SHA-256 of the file
	rules  []Rule      // in the order of the file
	budget []Budget
	groups map[string]*rules.Quorum
	now    func() time.Time
	named  *scope // what the policy has names for

	methods map[[4]byte][]string // signatures that the policy names, by their selectors

	scripts map[string]rules.Rule // the rule files that rules hand over to, by name
	index   *indexes              // of rules and budgets; nil until the policy is loaded
}

// Effect is what a rule does with what it matches. The zero effect denies.
type Effect uint8

// The effects.
const (
	Deny Effect = iota
	Allow
)

// Rule is one rule of a policy.
type Rule struct {
	ID          string
	Description string
	Line        int // of the file, where it begins
	Effect      Effect
	Shadow      bool // judged and reported, but decides nothing
	Match       Match

	Limits    []limit.Limit // of an allow rule; all of them must have room
	Approvals *rules.Quorum // the people who must approve; nil if nobody must
	OverLimit *rules.Quorum // the people who may approve what passes a limit; nil if nobody may
	Accepts   []Acceptance  // warnings that were looked at
	Script    string        // the Clef rule file that may still reject; "" if there is none

	asked []*rules.Quorum // Approvals alone; nil if nobody must
}

// Acceptance is the word of a rule that a warning was looked at. It changes
// nothing of what the rule does.
type Acceptance struct {
	ID     string // of the warning
	Reason string
	Line   int
}

// Budget is a limit that counts whatever rule matched.
type Budget struct {
	Match Match
	Limit limit.Limit
}

// Match is what a rule or a budget matches. All of its predicates must hold.
//
// A deny rule and a budget match if Action and Effect hold for one action at any
// depth, and one effect of it. An allow rule matches if they hold for every
// outermost action and all its effects, and if each action that lies within is
// matched by one of Inner. It has predicates of its own besides: with words about
// effects it must say whom an action calls, as the token or by the word "to", and
// what a Safe refunds for gas is nothing if it has no bound.
type Match struct {
	Request []predicate // about the request as a whole
	Action  []predicate // about an action
	Effects []predicate // about an effect of an action

	Inner    []Match // what may lie within an action; their Request is empty
	InnerAny bool    // anything may lie within

	// Lines has the line of each word, by its key.
	Lines map[string]int
}
