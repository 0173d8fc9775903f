package policy

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"go.yaml.in/yaml/v3"
)

// Problem is one error in a policy file.
type Problem struct {
	Line, Column int // from 1
	Text         string
}

// Error is everything that is wrong with a policy file.
type Error struct {
	File     string
	Problems []Problem // in the order of the file
}

// Error lists the problems, one a line: file:line:column: text.
func (e *Error) Error() string {
	text := ""
	for i, problem := range e.Problems {
		if i > 0 {
			text += "\n"
		}
		text += fmt.Sprintf("%s:%d:%d: %s", e.File, problem.Line, problem.Column, problem.Text)
	}
	return text
}

// parser reads one file. It notes every problem and goes on, so that all of
// them are told at once.
type parser struct {
	scope    *scope
	match    map[string]*yaml.Node // what stands at each word of the match that is being read
	problems []Problem
}

// scope is what the names of a policy mean.
type scope struct {
	chains   map[string]uint64
	accounts map[string]common.Address
	tokens   map[string]token
	lists    map[string][]common.Address
	groups   map[string]Approvals
}

// token is a token that the policy declares.
type token struct {
	name     string
	chain    uint64
	address  common.Address
	decimals int
	standard string // "erc20", "erc721" or "erc1155"
}

// errorf notes a problem at a node.
func (p *parser) errorf(node *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, Problem{Line: node.Line, Column: node.Column, Text: fmt.Sprintf(format, args...)})
}

// amount is a number with its unit.
type amount struct {
	value uint256.Int // wei, or the token's smallest unit
	token *token      // nil: wei
	text  string      // as it was written
}

// addresses is a set of addresses with the words it was written in.
type addresses struct {
	set  map[common.Address]bool
	any  bool
	self bool // the account that signs, or the Safe of a Safe transaction
	text string
}

// span is a time span with the text it was written in.
type span struct {
	time.Duration
	text string
}
