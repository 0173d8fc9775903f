package policy

import (
	"encoding/json"
	"maps"
	"sync"
)

// Schema returns the JSON Schema (2020-12) of policies, for editors. It knows
// the form of a policy and all of its words, and not whether names are declared
// or amounts fit: what it accepts may still be refused by [Load]. Editors also
// mark text without quotes that YAML takes for something else, such as an address
// for a number: Load reads what is written.
func Schema() []byte { return append([]byte(nil), schemaText()...) }

var schemaText = sync.OnceValue(func() []byte {
	text, err := json.MarshalIndent(schema(), "", "  ")
	if err != nil {
		panic(err) // it is made of maps, lists and texts alone
	}
	return append(text, '\n')
})

func schema() shape {
	root := object([]string{"version", "rules"}, map[string]any{
		"version":   described("the version of the policy language", shape{"const": 1}),
		"chains":    described("names of chains, with their ids", namesShape(shape{"type": "integer", "minimum": 1})),
		"accounts":  described("names of accounts, with their addresses", namesShape(ref("address"))),
		"tokens":    described("names of tokens, which are also units of amounts", namesShape(ref("token"))),
		"lists":     described("names of lists of addresses", namesShape(oneOrMore(addressShape()))),
		"approvals": described("groups of people who approve", namesShape(ref("group"))),
		"budgets":   described("limits that count whatever rule matched", arrayOf(ref("budget"), maxBudgets)),
		"rules":     described("what may be signed, and what may not", arrayOf(ref("rule"), maxRules)),
	})
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "kvclef policy"
	root["$defs"] = definitions()
	return root
}

func definitions() map[string]any {
	budget := limitShapes()
	budget["match"] = ref("match")
	defs := map[string]any{
		"name":    patternShape(nameForm.String()),
		"address": patternShape(`^0x[0-9a-fA-F]{40}$`),
		"span":    patternShape(`^([1-9][0-9]{0,3}d|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|0)$`),
		"token": object([]string{"chain", "address"}, map[string]any{
			"chain": chainShape(), "address": ref("address"),
			"decimals": shape{"type": "integer", "minimum": 0, "maximum": maxDecimals}, "standard": choiceShape(standards()...),
		}),
		"group": object([]string{"threshold", "of"}, map[string]any{
			"threshold": shape{"type": "integer", "minimum": 1, "maximum": maxMembers}, "of": oneOrMore(textShape()),
			"requester": choiceShape("excluded", "included"), "expires": ref("span"), "wait": ref("span"),
		}),
		"limit":  object([]string{"measure", "max", "window"}, limitShapes()),
		"budget": object([]string{"id", "match", "measure", "max", "window"}, budget),
		"rule":   ruleShape(),
		"match":  matchShape(false),
		"inner":  matchShape(true),
	}
	maps.Copy(defs, wordDefinitions())
	return defs
}

func ruleShape() shape {
	rule := object([]string{"id", "effect", "match"}, map[string]any{
		"id":          ref("name"),
		"description": shape{"type": "string", "maxLength": maxDescription},
		"effect":      choiceShape("allow", "deny"),
		"mode":        choiceShape("enforce", "shadow"),
		"match":       ref("match"),
		"limits":      described("all of them must have room", arrayOf(ref("limit"), maxLimits)),
		"approvals":   described("the group that must approve", ref("name")),
		"over_limit":  described("what is done when a limit is passed", object([]string{"approvals"}, map[string]any{"approvals": ref("name")})),
		"accept":      described("warnings of kvclef policy check that were looked at, each with the reason", acceptShape()),
		"js":          described("the Clef rule file that may still reject", patternShape(`^[^/\\]+$`)),
	})
	rule["if"] = shape{"properties": map[string]any{"effect": shape{"const": "deny"}}}
	rule["then"] = shape{"properties": map[string]any{"limits": false, "approvals": false, "over_limit": false, "js": false}}
	rule["dependentRequired"] = map[string]any{"over_limit": []any{"limits"}}
	return rule
}

// acceptShape names the warnings that there are, and takes others.
func acceptShape() shape {
	reason := shape{"type": "string", "minLength": 1, "maxLength": maxDescription}
	known := make(map[string]any)
	for _, w := range warningIDs() {
		known[w.id] = described("it "+w.doc, reason)
	}
	made := object(nil, known)
	made["additionalProperties"], made["propertyNames"], made["minProperties"] = reason, ref("name"), 1
	return made
}

func limitShapes() map[string]any {
	return map[string]any{
		"id":       ref("name"),
		"measure":  choiceShape(measures()...),
		"max":      anyOfShapes(amountShape(), patternShape(`^(0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$`), integerShape()),
		"window":   ref("span"),
		"per":      oneOrMore(choiceShape(pers()...)),
		"token":    ref("name"),
		"function": described("the method whose argument is counted, or counted by", textShape()),
		"argument": described("its name in function, or its place, from 0", anyOfShapes(integerShape(), textShape())),
	}
}

// matchShape is that of a match, or of what may lie within an action.
func matchShape(within bool) shape {
	properties := map[string]any{
		wordAny:   described("true: everything matches", shape{"const": true}),
		wordInner: described("what may lie within an action of an allow rule", anyOfShapes(shape{"const": wordAny}, arrayOf(ref("inner"), maxInner))),
	}
	for _, w := range words() {
		if !within || w.level != aboutRequest {
			properties[w.key] = described(w.doc, w.shape)
		}
	}
	match := object(nil, properties)
	match["minProperties"] = 1
	return match
}

// object is a shape with these keys and no others.
func object(required []string, properties map[string]any) shape {
	made := shape{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		made["required"] = required
	}
	return made
}

func ref(name string) shape { return shape{"$ref": "#/$defs/" + name} }

// described is a shape with a sentence for people.
func described(doc string, of shape) shape {
	made := maps.Clone(of)
	made["description"] = doc
	return made
}

func arrayOf(element shape, most int) shape {
	return shape{"type": "array", "items": element, "minItems": 1, "maxItems": most}
}

// namesShape is a section of names with values.
func namesShape(value shape) shape {
	return shape{"type": "object", "propertyNames": ref("name"), "additionalProperties": value}
}

// chainShape is a chain by its name or its id.
func chainShape() shape {
	return anyOfShapes(patternShape(nameForm.String()), shape{"type": "integer", "minimum": 1})
}
