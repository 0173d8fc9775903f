package policy

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of approvals.
const (
	maxMembers = 100
	maxExpiry  = 30 * 24 * time.Hour
	maxWait    = 5 * time.Minute
)

func (p *parser) groupNames(node *yaml.Node) {
	p.named(node, "approvals", func(e entry, what string) {
		group := &rules.Quorum{Group: e.key, Expires: time.Hour, Wait: 20 * time.Second}
		p.scope.groups[e.key] = group
		found := p.fields(e.value, what, "threshold", "of", "requester", "expires", "wait")
		if !p.require(e.value, what, found, "threshold", "of") {
			return
		}
		var ok bool
		group.Of, ok = p.texts(found["of"], what+".of")
		threshold, good := p.integer(found["threshold"], what+".threshold", maxMembers)
		switch {
		case !ok || !good:
		case threshold == 0:
			p.errorf(found["threshold"], "%s.threshold: 0 people approve nothing: want 1 or more", what)
		case twiceIn(group.Of) != "":
			p.errorf(found["of"], "%s.of: %s is there twice", what, quoted(twiceIn(group.Of)))
		case len(group.Of) > maxMembers:
			p.errorf(found["of"], "%s.of: %d people are more than %d", what, len(group.Of), maxMembers)
		case int(threshold) > len(group.Of): // #nosec G115 -- at most maxMembers
			p.errorf(found["threshold"], "%s.threshold: %d of %d people can't approve", what, threshold, len(group.Of))
		}
		group.Threshold = int(threshold) // #nosec G115 -- at most maxMembers
		if node := found["requester"]; node != nil {
			group.Requester = p.choice(node, what+".requester", "excluded", "included") == "included"
		}
		if node := found["expires"]; node != nil {
			expires, _ := p.span(node, what+".expires", time.Minute, maxExpiry)
			group.Expires = expires.Duration
		}
		if node := found["wait"]; node != nil {
			wait, _ := p.span(node, what+".wait", 0, maxWait)
			group.Wait = wait.Duration
		}
	})
}

// group returns a group of approvers that the policy declares.
func (p *parser) group(node *yaml.Node, what string) *rules.Quorum {
	name, ok := p.text(node, what)
	group := p.scope.groups[name]
	if ok && group == nil {
		p.errorf(node, "%s: %s is no group of approvals%s", what, quoted(name), didYouMean(name, names(p.scope.groups)))
	}
	return group
}

// twiceIn returns a name that is there twice, "" if none is.
func twiceIn(names []string) string {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name
		}
		seen[name] = true
	}
	return ""
}
