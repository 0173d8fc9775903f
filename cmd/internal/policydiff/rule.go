package policydiff

import "go.yaml.in/yaml/v3"

func valueOf(node *yaml.Node, key string) string {
	if value := member(node, key); value != nil {
		return value.Value
	}
	return ""
}

func allows(rule *yaml.Node) bool { return valueOf(rule, "effect") == "allow" }

func shadow(rule *yaml.Node) bool { return valueOf(rule, "mode") == "shadow" }

// inForce is what a rule does to a policy if it is in force.
func inForce(rule *yaml.Node) Direction {
	if allows(rule) {
		return Wider
	}
	return Narrower
}

// ruleAppears is the direction of a rule that is new.
func ruleAppears(rule *yaml.Node) Direction {
	if shadow(rule) {
		return Neutral
	}
	return inForce(rule)
}

// rule compares a rule of an id.
func (d *differ) rule(place string, before, after *yaml.Node) {
	more := Changed // where the effect is another one
	if allows(before) == allows(after) {
		more = inForce(after)
	}
	decides := !shadow(before) && !shadow(after)
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		d.muted = !decides && key != "mode"
		switch key {
		case "mode":
			d.mode(at, before, after)
		case "match":
			if !d.appears(Changed, at, was, is) {
				d.match(at, &matching{more: more, allow: allows(before) && allows(after)}, was, is)
			}
		case "limits":
			d.named(place, things(was, "limit"), things(is, "limit"), func(*yaml.Node) Direction { return Narrower }, d.limit)
		case "approvals", "js":
			if !d.appears(Narrower, at, was, is) {
				d.replaced(Changed, at, was, is)
			}
		case "over_limit":
			if !d.appears(Wider, at, was, is) {
				d.replacedEach(at, was, is)
			}
		case "description", "accept":
			if !d.appears(Neutral, at, was, is) {
				d.replaced(Neutral, at, was, is)
			}
		case "effect":
			if !d.appears(Changed, at, was, is) {
				d.replaced(inForce(after), at, was, is)
			}
		default:
			if !d.appears(Changed, at, was, is) {
				d.replaced(Changed, at, was, is)
			}
		}
	}
	d.muted = false
}

// mode compares whether a rule is in force. Without the key it is.
func (d *differ) mode(place string, before, after *yaml.Node) {
	switch was, is := shadow(before), shadow(after); {
	case was && !is:
		d.add(inForce(after), place, "was shadow, is enforce")
	case is && !was:
		d.add(inForce(before).opposite(), place, "was enforce, is shadow")
	}
}

// budget compares a budget: what it matches more, it counts.
func (d *differ) budget(place string, before, after *yaml.Node) {
	if was, is := member(before, "match"), member(after, "match"); was != nil && is != nil {
		d.match(join(place, "match"), &matching{more: Narrower}, was, is)
	}
	d.limit(place, before, after)
}

// limit compares a limit. A larger maximum and a shorter window allow more.
func (d *differ) limit(place string, before, after *yaml.Node) {
	larger, longer := Wider, Narrower
	most, mostOK := compare(member(before, "max"), member(after, "max"))
	window, windowOK := compare(member(before, "window"), member(after, "window"))
	if mostOK && windowOK && most*window > 0 { // more in a longer time, or less in a shorter one
		larger, longer = Changed, Changed
	}
	for _, key := range keys(before, after) {
		was, is, at := member(before, key), member(after, key), join(place, key)
		switch {
		case key == "match":
		case key == "per":
			if !d.appears(Wider, at, was, is) {
				d.sets(Wider, at, was, is)
			}
		case d.appears(Changed, at, was, is):
		case key == "max":
			d.bounds(larger, at, was, is)
		case key == "window" && windowOK && window > 0:
			// It is narrower than before, but not yet what it says: charges keep the
			// time for which they were counted.
			d.add(longer, at, "was %s, is %s: what was approved before counts for %s alone, so that a maximum that is used up may be approved once more within the first %s",
				inline(was), inline(is), inline(was), inline(is))
		case key == "window":
			d.bounds(longer, at, was, is)
		default:
			d.replaced(Changed, at, was, is)
		}
	}
}
