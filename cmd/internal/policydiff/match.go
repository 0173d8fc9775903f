package policydiff

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// matching is the match that is compared.
type matching struct {
	more  Direction // what it is for the policy if it matches more
	allow bool      // of a rule that allows, before and after: it has predicates without a word
}

// match compares the words of a match.
func (d *differ) match(place string, m *matching, before, after *yaml.Node) {
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		without := before
		if is == nil {
			without = after
		}
		if !d.appears(m.appears(key, without, firstOf(was, is)), at, was, is) {
			d.word(at, key, m, was, is)
		}
	}
}

func firstOf(a, b *yaml.Node) *yaml.Node {
	if a != nil {
		return a
	}
	return b
}

// appears is the direction of a word that is new in a match. A word narrows it,
// but for those that let more be within, and those without which an allow rule is
// narrower than it reads.
func (m *matching) appears(key string, without, value *yaml.Node) Direction {
	switch {
	case key == "inner" || key == "any":
		return m.more
	case key == "zone":
		return Changed
	case !m.allow:
	case key == "value_max" && noEther(without):
		return m.more // no ether may go along without it
	case key == "value_min" && noEther(without), key == "to" && ofEffects(without), key == "safe" && has(value, "refund_max"):
		return Changed
	case key == "refund_max":
		return m.more // nothing may be refunded without it
	}
	return m.more.opposite()
}

// noEther tells whether an allow rule of a match allows no ether, which is so
// where it says which calls, or that contracts are made, and bounds no value.
func noEther(match *yaml.Node) bool {
	creates := has(match, "init_code_hash") || valueOf(match, "create") == "true"
	return (creates || has(match, "call", "function", "selector") || ofEffects(match)) && !has(match, "value_max", "value_min")
}

// ofEffects tells whether a match has words about effects.
func ofEffects(match *yaml.Node) bool {
	return has(match, "effect", "token", "recipient", "owner", "amount_max", "amount_min", "amount", "token_id", "deadline_within")
}

func has(node *yaml.Node, anyOf ...string) bool {
	return node != nil && slices.ContainsFunc(anyOf, func(key string) bool { return member(node, key) != nil })
}

// word compares what stands at a word.
func (d *differ) word(place, key string, m *matching, before, after *yaml.Node) {
	switch {
	case strings.HasSuffix(key, "_max"), key == "max_bytes", key == "deadline_within", key == "expires_within", key == "not_after":
		d.bounds(m.more, place, before, after)
	case strings.HasSuffix(key, "_min"), key == "not_before":
		d.bounds(m.more.opposite(), place, before, after)
	case slices.Contains([]string{"domain", "safe", "text", "siwe", "time"}, key):
		d.match(place, m, before, after)
	case key == "args", key == "message":
		d.members(place, m.more, before, after)
	case key == "tag":
		d.tags(place, m.more, before, after)
	case key == "inner":
		d.inner(place, m.more, before, after)
	case key == "prefix":
		d.prefixes(place, m.more, before, after)
	case slices.Contains([]string{"function", "plain", "create", "delegate_call", "access_list", "delegate_any_chain", "printable", "resources", "hours", "zone"}, key):
		d.replaced(Changed, place, before, after)
	default:
		d.sets(m.more, place, before, after)
	}
}

// inner compares what may lie within: any is all.
func (d *differ) inner(place string, more Direction, before, after *yaml.Node) {
	wasAny, isAny := before.Value == "any", after.Value == "any"
	switch {
	case wasAny == isAny:
		d.sets(more, place, before, after)
	case isAny:
		d.replaced(more, place, before, after)
	default:
		d.replaced(more.opposite(), place, before, after)
	}
}

// tags compares tags, all of which must be there.
func (d *differ) tags(place string, more Direction, before, after *yaml.Node) {
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		if !d.appears(more.opposite(), at, was, is) {
			d.sets(more, at, was, is)
		}
	}
}

// members compares comparisons by the paths of what they are about, all of which
// must hold.
func (d *differ) members(place string, more Direction, before, after *yaml.Node) {
	for _, path := range keys(before, after) {
		was, is, at := member(before, path), member(after, path), join(place, path)
		if !d.appears(more.opposite(), at, was, is) {
			d.comparison(at, more, was, is)
		}
	}
}

// comparison compares comparisons of one thing.
func (d *differ) comparison(place string, more Direction, before, after *yaml.Node) {
	if before.Kind != yaml.MappingNode && after.Kind != yaml.MappingNode {
		d.sets(more, place, before, after)
		return
	}
	if before.Kind != after.Kind {
		d.replaced(Changed, place, before, after)
		return
	}
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		if d.appears(more.opposite(), at, was, is) {
			continue
		}
		switch key {
		case "max", "length_max", "within":
			d.bounds(more, at, was, is)
		case "min":
			d.bounds(more.opposite(), at, was, is)
		case "not":
			d.comparison(at, more.opposite(), was, is)
		case "any", "all":
			d.comparison(at, more, was, is)
		case "member":
			d.members(at, more, was, is)
		case "prefix":
			d.prefixes(at, more, was, is)
		case "eq", "in":
			d.sets(more, at, was, is)
		default:
			d.replaced(Changed, at, was, is)
		}
	}
}

// prefixes compares how a text must begin: the longer one is narrower.
func (d *differ) prefixes(place string, more Direction, before, after *yaml.Node) {
	if before.Kind != yaml.ScalarNode || after.Kind != yaml.ScalarNode {
		d.replaced(Changed, place, before, after)
		return
	}
	was, is := before.Value, after.Value
	switch {
	case strings.HasPrefix(was, is):
		d.replaced(more, place, before, after)
	case strings.HasPrefix(is, was):
		d.replaced(more.opposite(), place, before, after)
	default:
		d.replaced(Changed, place, before, after)
	}
}
