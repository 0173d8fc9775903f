package policydiff

import (
	"strings"
	"testing"
)

// TestDirections: whether a change of one thing allows more. Each is tried the
// other way round as well, where the direction must be the opposite.
func TestDirections(t *testing.T) {
	t.Parallel()
	const (
		hot  = "accounts: {hot: \"0x01\"}\n"
		pay  = "rules: [{id: a, effect: allow, match: {%}}]"
		deny = "rules: [{id: a, effect: deny, match: {%}}]"
		rate = "rules: [{id: a, effect: allow, match: {}, limits: [{measure: value, %}]}]"
		most = "budgets: [{id: b, %}]"
		rule = "rules: [{id: a, %}]"
		list = "lists: {l: [%]}\nrules: [{id: a, "
		team = "approvals: {g: {%}}"
	)
	for name, tt := range map[string]struct{ in, less, more, want string }{
		"a maximum":              {pay, "gas_max: 5", "gas_max: 0x10", "wider"},
		"a maximum of tokens":    {pay, "amount_max: 9.5 USDC", "amount_max: 10 USDC", "wider"},
		"of other tokens":        {pay, "amount_max: 9 USDC", "amount_max: 10 DAI", "changed"},
		"a minimum":              {pay, "value_min: 2 ether", "value_min: 1 ether", "wider"},
		"a deadline":             {pay, "deadline_within: 30m", "deadline_within: 1d", "wider"},
		"an end":                 {pay, "not_after: 2026-01-01T00:00:00Z", "not_after: 2026-01-01T01:00:00+00:30", "wider"},
		"a nanosecond":           {pay, "not_after: 2026-01-01T00:00:00Z", "not_after: 2026-01-01T00:00:00.000000001Z", "wider"},
		"a nanosecond, later":    {pay, "not_after: 2999-01-01T00:00:00Z", "not_after: 2999-01-01T00:00:00.000000001Z", "wider"},
		"a beginning":            {pay, "not_before: 2026-01-02T00:00:00Z", "not_before: 2026-01-01T00:00:00Z", "wider"},
		"days":                   {pay, "time: {days: [mon]}", "time: {days: [mon, tue]}", "wider"},
		"hours":                  {pay, "time: {hours: 09:00-17:00}", "time: {hours: 09:00-18:00}", "changed"},
		"a zone":                 {pay, "time: {days: mon}", "time: {days: mon, zone: UTC}", "changed"},
		"a word":                 {pay, "plain: true, to: x", "to: x", "wider"},
		"a flag":                 {pay, "plain: true", "plain: false", "changed"},
		"everything":             {pay, "to: x", "any: true", "wider wider"},
		"within":                 {pay, "call: multicall", "call: multicall, inner: [{to: x}]", "wider"},
		"more within":            {pay, "inner: [{to: x}]", "inner: [{to: x}, {to: y}]", "wider"},
		"anything within":        {pay, "inner: [{to: x}]", "inner: any", "wider"},
		"ether with calls":       {pay, "call: transfer", "call: transfer, value_max: 1 ether", "wider"},
		"ether to new contracts": {pay, "create: true", "create: true, value_max: 1 ether", "wider"},
		"ether to new code":      {pay, "init_code_hash: x", "init_code_hash: x, value_max: 1 ether", "wider"},
		"ether to no contracts":  {pay, "create: false", "create: false, value_max: 1 ether", "narrower"},
		"ether without calls":    {pay, "to: x, value_max: 1 ether", "to: x", "wider"},
		"ether at least":         {pay, "call: transfer", "call: transfer, value_min: 1 ether", "changed"},
		"ether at most":          {pay, "call: deposit, value_min: 1 wei, value_max: 1 ether", "call: deposit, value_min: 1 wei", "wider"},
		"ether between":          {pay, "call: deposit, value_min: 1 wei, value_max: 1 ether", "call: deposit, value_max: 1 ether", "wider"},
		"ether of a payment":     {pay, "plain: true, value_min: 1 ether", "plain: true", "wider"},
		"ether, none again":      {pay, "call: deposit", "call: deposit, value_min: 1 wei, value_max: 1 ether", "wider changed"},
		"a token's contract":     {pay, "token: x", "token: x, to: y", "changed"},
		"to without tokens":      {pay, "chain: 1, to: y", "chain: 1", "wider"},
		"a refund":               {pay, "safe: {safe: x}", "safe: {safe: x, refund_max: 1 ether}", "wider"},
		"a larger refund":        {pay, "safe: {refund_max: 1 ether}", "safe: {refund_max: 2 ether}", "wider"},
		"a Safe and a refund":    {pay, "chain: 1", "chain: 1, safe: {safe: x, refund_max: 1 ether}", "changed"},
		"a Safe":                 {pay, "chain: 1, safe: {safe: x}", "chain: 1", "wider"},
		"a domain":               {pay, "domain: {name: a, version: 1}", "domain: {name: [a, b]}", "wider wider"},
		"a text":                 {pay, "text: {prefix: hello you}", "text: {prefix: hello}", "wider"},
		"a text's capitals":      {pay, `text: {exact: "0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266"}`, `text: {exact: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"}`, "wider narrower"},
		"a member's capitals":    {pay, `message: {to: "0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266"}`, `message: {to: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"}`, "wider narrower"},
		"a tag's capitals":       {pay, "tag: {to: 0xAB}", "tag: {to: 0xab}", "wider narrower"},
		"a comma":                {pay, `principal: "a, b"`, `principal: [a, b]`, "wider narrower"},
		"brackets":               {pay, `text: {exact: "[a]"}`, `text: {exact: [a]}`, "wider narrower"},
		"a space":                {pay, `text: {exact: "a b"}`, `text: {exact: "a  b"}`, "wider narrower"},
		"quotes":                 {pay, `time: {zone: a}`, `time: {zone: "\"a\""}`, "changed"},
		"another text":           {pay, "text: {prefix: hello}", "text: {prefix: bye}", "changed"},
		"a size":                 {pay, "text: {max_bytes: 9}", "text: {max_bytes: 10}", "wider"},
		"a sign-in":              {pay, "siwe: {domain: a, expires_within: 1h}", "siwe: {domain: a, expires_within: 2h}", "wider"},
		"a tag":                  {pay, "tag: {a: b, c: d}", "tag: {a: b}", "wider"},
		"a tag's value":          {pay, "tag: {a: b}", "tag: {a: [b, c]}", "wider"},
		"an argument":            {pay, "args: {n: {max: 5}}", "args: {n: {max: 6}}", "wider"},
		"at least":               {pay, "message: {n: {min: 5}}", "message: {n: {min: 4}}", "wider"},
		"not this":               {pay, "message: {n: {not: [5, 6]}}", "message: {n: {not: [5]}}", "wider"},
		"not more than":          {pay, "message: {n: {not: {max: 6}}}", "message: {n: {not: {max: 5}}}", "wider"},
		"each element":           {pay, "args: {n: {all: {length_max: 2}}}", "args: {n: {all: {length_max: 3}}}", "wider"},
		"a member":               {pay, "message: {n: {any: {member: {to: x}}}}", "message: {n: {any: {member: {to: [x, y]}}}}", "wider"},
		"one comparison more":    {pay, "message: {n: {min: 1, max: 5}}", "message: {n: {max: 5}}", "wider"},
		"one argument more":      {pay, "args: {n: 1, m: 2}", "args: {n: 1}", "wider"},
		"another comparison":     {pay, "args: {n: 1}", "args: {n: {max: 1}}", "changed"},
		"a function":             {pay, "function: f(uint256)", "function: g(uint256)", "changed"},
		"a function's argument":  {pay, `args: {n: {prefix: "0x01"}}`, `args: {n: {prefix: "0x"}}`, "wider"},

		"denied, a word more":   {deny, "to: x", "to: x, chain: 1", "wider"},
		"denied, in a list":     {deny, "to: [x, y]", "to: x", "wider"},
		"denied, a minimum":     {deny, "value_min: 1 ether", "value_min: 2 ether", "wider"},
		"denied, with calls":    {deny, "call: approve", "call: approve, value_max: 1 ether", "wider"},
		"denied, with a refund": {deny, "safe: {safe: x}", "safe: {safe: x, refund_max: 1 ether}", "wider"},

		"a limit's maximum":       {rate, "max: 1 ether, window: 1h", "max: 2 ether, window: 1h", "wider"},
		"a limit's window":        {rate, "max: 1 ether, window: 7d", "max: 1 ether, window: 24h", "wider"},
		"both":                    {rate, "max: 1 ether, window: 7d", "max: 2 ether, window: 24h", "wider wider"},
		"one against the other":   {rate, "max: 1 ether, window: 24h", "max: 7 ether, window: 7d", "changed changed"},
		"each apart":              {rate, "max: 1 ether, window: 24h", "max: 1 ether, window: 24h, per: [account]", "wider"},
		"each more apart":         {rate, "max: 1 ether, per: [account]", "max: 1 ether, per: [account, recipient]", "wider"},
		"what is counted":         {rate, "max: 1 ether, token: a", "max: 1 ether, token: b", "changed"},
		"a limit's id":            {rate, "id: x", "id: y", "wider narrower"},
		"a budget's maximum":      {most, "max: 1 ether, match: {chain: 1}", "max: 2 ether, match: {chain: 1}", "wider"},
		"what a budget is about":  {most, "max: 1 ether, match: {chain: [1, 2]}", "max: 1 ether, match: {chain: 1}", "wider"},
		"less than a budget's is": {most, "max: 1 ether, match: {chain: 1}", "max: 1 ether, match: {chain: 1, to: x}", "wider"},

		"approval":         {rule, "effect: allow, approvals: g", "effect: allow", "wider"},
		"other people":     {rule, "effect: allow, approvals: g", "effect: allow, approvals: h", "changed"},
		"over the limit":   {rule, "effect: allow", "effect: allow, over_limit: {approvals: g}", "wider"},
		"a rule file":      {rule, "effect: allow, js: a.js", "effect: allow", "wider"},
		"what is said":     {rule, "effect: allow", "effect: allow, description: x", "neutral"},
		"what is accepted": {rule, "effect: allow, accept: {a: b}", "effect: allow, accept: {a: c}", "neutral"},
		"in force":         {rule, "effect: allow, mode: shadow", "effect: allow", "wider"},
		"denied in force":  {rule, "effect: deny", "effect: deny, mode: shadow", "wider"},
		"in force, said":   {rule, "effect: allow, mode: enforce", "effect: allow", ""},
		"in shadow":        {rule, "effect: allow, mode: shadow, match: {to: x}", "effect: allow, mode: shadow, match: {any: true}", "neutral neutral"},
		"put into force":   {rule, "effect: allow, mode: shadow, match: {gas_max: 1}", "effect: allow, match: {gas_max: 2}", "wider neutral"},
		"the effect":       {rule, "effect: deny, match: {gas_max: 1}", "effect: allow, match: {gas_max: 2}", "wider changed"},

		"a list that is allowed": {list + "effect: allow, match: {to: l}}]", "x", "x, y", "wider"},
		"a list that is denied":  {list + "effect: deny, match: {to: l}}]", "x, y", "x", "wider"},
		"of both":                {list + "effect: deny, match: {to: l}}, {id: b, effect: allow, match: {recipient: [l]}}]", "x", "x, y", "changed"},
		"of none":                {list + "effect: allow, match: {to: m}}]", "x", "x, y", "neutral"},
		"of a shadow":            {list + "mode: shadow, effect: allow, match: {to: l}}]", "x", "x, y", "neutral"},
		"of what is not one":     {list + "effect: allow, match: {message: {to: {not: l}}}}]", "x, y", "x", "wider"},
		"of a budget":            {"lists: {l: [%]}\nbudgets: [{id: b, match: {to: l}}]", "x, y", "x", "wider"},
		"within calls":           {list + "effect: allow, match: {inner: [{to: l}]}}]", "x", "x, y", "wider"},
		"a name of nothing":      {"%", "lists: {}", "lists: {l: [x]}", "neutral"},
		"a name of another":      {"%\nrules: [{id: a, effect: allow, match: {to: hot}}]", hot, "lists: {hot: [\"0x01\"]}", "changed changed"},
		"an account":             {"%", hot, "accounts: {hot: \"0x02\"}", "changed"},
		"a token":                {"%", "tokens: {T: {chain: 1, decimals: 6}}", "tokens: {T: {chain: 1, decimals: 8}}", "changed"},
		"a token more":           {"tokens: {%}", "", "T: {chain: 1, decimals: 6}", "neutral"},
		"one of ids":             {"tokens: {%}", "", "T: {chain: 1, standard: erc721}", "changed"},
		"one of each token":      {"tokens: {%}\nbudgets: [{id: b, measure: amount, max: 5, per: [token]}]", "", "T: {chain: 1, decimals: 6}", "changed"},
		"one of each, by a rule": {"tokens: {%}\nrules: [{id: a, limits: [{measure: amount, max: 5}]}]", "", "T: {chain: 1, decimals: 6}", "changed"},
		"one of another token":   {"tokens: {%}\nbudgets: [{id: b, measure: amount, token: U, max: 5}]", "", "T: {chain: 1, decimals: 6}", "neutral"},
		"a chain":                {"%", "chains: {a: 1}", "chains: {a: 2}", "changed"},
		"how many approve":       {team, "threshold: 3", "threshold: 2", "wider"},
		"who approves":           {team, "of: [a, b]", "of: [a, b, c]", "wider"},
		"who asks":               {team, "requester: excluded", "requester: included", "wider"},
		"for how long":           {team, "expires: 1h", "expires: 2h", "wider"},
		"when to come back":      {team, "wait: 1h", "wait: 2h", "neutral"},
	} {
		less, more := strings.Replace(tt.in, "%", tt.less, 1), strings.Replace(tt.in, "%", tt.more, 1)
		reversed := strings.NewReplacer("wider", "narrower", "narrower", "wider").Replace(tt.want)
		if got := directions(t, less, more); got != tt.want {
			t.Errorf("%s: %q, want %q\n%s", name, got, tt.want, difference(t, less, more))
		}
		if got := directions(t, more, less); got != sorted(reversed) {
			t.Errorf("%s, the other way round: %q, want %q\n%s", name, got, sorted(reversed), difference(t, more, less))
		}
	}
}

// directions are those of all changes.
func directions(t *testing.T, before, after string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(difference(t, before, after)) {
		direction, _, _ := strings.Cut(line, ":")
		all = append(all, direction)
	}
	return strings.Join(all, " ")
}

// sorted has what is wider first.
func sorted(directions string) string {
	var all []string
	for _, of := range []string{"wider", "changed", "narrower", "neutral"} {
		for direction := range strings.FieldsSeq(directions) {
			if direction == of {
				all = append(all, of)
			}
		}
	}
	return strings.Join(all, " ")
}
