package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of a policy.
const (
	MaxBytes  = 1 << 20 // of a file
	maxRules  = 10_000
	maxInner  = 256     // matches in one inner
	maxMeant  = 2 << 20 // addresses that the sets of all matches have, lists counted wherever they stand
	maxNodes  = 200_000
	maxNested = 32
)

// Options of a policy.
type Options struct {
	Now func() time.Time // nil: [time.Now]
}

// Load reads a policy file. The name is for people. The error is an [*Error]
// that has everything which is wrong with it.
func Load(name string, source []byte, options Options) (*Policy, error) {
	p := &parser{scope: newScope(), shared: make(map[spelling]shared), called: make(map[[4]byte][]string)}
	policy := &Policy{name: name, hash: sha256.Sum256(source), now: options.Now, named: p.scope, methods: p.called}
	if policy.now == nil {
		policy.now = time.Now
	}
	if root := p.document(source); root != nil {
		p.policy(policy, root)
	}
	p.unexplained()
	if len(p.problems) > 0 {
		return nil, newError(clip(name), p.problems)
	}
	policy.index = policy.compile()
	return policy, nil
}

// unexplained notes a word that was lost without a problem: without it the rule
// would match more.
func (p *parser) unexplained() {
	if p.lost != nil && len(p.problems) == 0 {
		p.errorf(p.lost, "this can't be read, and why is not known")
	}
}

// document returns the one mapping that a file must be.
func (p *parser) document(source []byte) *yaml.Node {
	top := &yaml.Node{Line: 1, Column: 1}
	if len(source) > MaxBytes {
		p.errorf(top, "the policy has %d bytes, and may have %d", len(source), MaxBytes)
		return nil
	}
	if !p.legible(source) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		p.errorf(top, "the policy is empty: begin with version: 1")
		return nil
	case err != nil:
		p.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			p.syntax(err)
		} else {
			p.errorf(&second, "a second document begins here: a policy is one")
		}
		return nil
	}
	if count := 0; !p.sound(document.Content[0], 0, &count) {
		return nil
	}
	return document.Content[0]
}

// syntaxLine is where the YAML package says that an error is.
var syntaxLine = regexp.MustCompile(`line ([0-9]+): (.*)`)

// syntax notes an error of the YAML package.
func (p *parser) syntax(err error) {
	at, text := &yaml.Node{Line: 1, Column: 1}, err.Error()
	if found := syntaxLine.FindStringSubmatch(text); found != nil {
		at.Line, _ = strconv.Atoi(found[1]) // digits
		text = found[2]
	}
	if text == "found character that cannot start any token" {
		text += "; indent with spaces, not with tabs"
	}
	p.errorf(at, "this is no YAML: %s", clip(text))
}

// sound checks a tree for what no policy has. What is wrong may make everything
// below mean something else, and ends the reading.
func (p *parser) sound(node *yaml.Node, depth int, count *int) bool {
	*count++
	switch {
	case *count > maxNodes:
		p.errorf(node, "the policy has more than %d values", maxNodes)
		return false
	case depth > maxNested:
		p.errorf(node, "values are nested deeper than %d", maxNested)
		return false
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		p.errorf(node, "anchors and aliases are not supported: write it out, or name a list")
		return false
	case node.Style&yaml.TaggedStyle != 0:
		p.errorf(node, "tags such as %s are not supported", clip(node.Tag))
		return false
	}
	for _, child := range node.Content {
		if !p.sound(child, depth+1, count) {
			return false
		}
	}
	return true
}
