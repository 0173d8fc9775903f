package policysuggest

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/facts"
)

// what an action is.
type what uint8

const (
	nothing  what = iota
	pays          // without data
	moves         // tokens, in a way that is known
	calls         // a method
	creates       // a contract
	handover      // typed data that hands tokens over
)

// amounts says how the amounts of effects are bounded.
type amounts uint8

const (
	unbounded amounts = iota // all of them without a bound
	bounded
	mixed
)

// ids says whether the effects are of tokens that have ids, and so whether amounts
// are amounts.
type ids uint8

const (
	noIDs  ids = iota
	ofOne      // each is one token of a collection (ERC-721)
	ofMany     // each is some of an id (ERC-1155)
	someIDs
)

// owned says whose tokens are moved. Those of who acts, and those of others, have
// rules of their own: else who lets the account move his own tokens names a recipient
// for the account's.
type owned uint8

const (
	ownTokens owned = iota
	tokensOfOthers
	tokensOfBoth
)

// form is what all actions have in common that one match describes.
type form struct {
	what     what
	to       common.Address // the contract, unless it is the token, or is only paid
	method   string         // signature, or selector
	tokens   string         // their addresses in order, 20 bytes each
	amounts  amounts
	ids      ids
	owned    owned
	external bool // a contract that is none of the tokens moves them
	deadline bool // every effect has one
	delegate bool
	opaque   bool
}

// formOf returns the form of an action, or why it has none that a match
// describes.
func formOf(f *facts.Facts, a *facts.Action) (form, string) {
	of := form{delegate: a.Delegate, opaque: a.Opaque != ""}
	switch {
	case f.Kind == facts.KindTypedData:
		of.what = handover
		return of.moving(f, a)
	case a.To == nil && a.Depth > 0:
		return of, whyCreation
	case a.To == nil:
		of.what = creates
		return of, ""
	case a.Decoding == facts.None:
		of.what = pays
		return of, ""
	case a.Decoding == facts.Unknown || len(a.Data) < 4:
		return of, whyUnknown
	case a.Decoding == facts.Known && a.Call != nil:
		of.method = a.Call.Method
	default:
		of.method = methodOf(f, a)
	}
	if len(a.Effects) > 0 {
		of.what = moves
		return of.moving(f, a)
	}
	if a.Decoding == facts.Known && couldMove(a.Name) {
		return of, whyNothing
	}
	of.what, of.to = calls, *a.To
	return of, ""
}

// couldMove tells whether calls of a method move tokens unless its lists are
// empty: a rule that names the method would allow those too.
func couldMove(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, "decrease") &&
		(strings.Contains(name, "transfer") || strings.Contains(name, "permit") || strings.Contains(name, "approv"))
}

var methodForm = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]{0,63}\(.*\)$`)

// methodOf returns the signature of a method that validation knows, or else its
// selector.
func methodOf(f *facts.Facts, a *facts.Action) string {
	selector := hexutil.Encode(a.Data[:4])
	call := f.Request.Call
	if a.Depth > 0 || call == nil || call.Selector != [4]byte(a.Data) || len(call.Method) > maxString || !methodForm.MatchString(call.Method) {
		return selector
	}
	method, err := calldata.Parse(call.Method)
	if err != nil || method.Sig != call.Method || method.Selector() != call.Selector {
		return selector
	}
	if _, err := method.Unpack(a.Data); err != nil {
		return selector
	}
	return call.Method
}

// moving adds what the effects of an action have in common.
func (of *form) moving(f *facts.Facts, a *facts.Action) (form, string) {
	var tokens []common.Address
	endless, ends := 0, 0
	for i := range a.Effects {
		effect := &a.Effects[i]
		if !slices.Contains(tokens, effect.Token) {
			tokens = append(tokens, effect.Token)
		}
		if effect.Unlimited {
			endless++
		}
		if _, ok := remaining(f, effect); ok {
			ends++
		}
		if len(tokens) > maxTokens {
			return *of, whySeveral
		}
	}
	of.tokens = pack(tokens)
	switch {
	case len(tokens) == 1 && endless == len(a.Effects):
		of.amounts = unbounded
	case len(tokens) == 1 && endless == 0:
		of.amounts = bounded
	default:
		of.amounts = mixed
	}
	of.ids = idsOf(a.Effects)
	of.owned = ownedOf(a.Effects, actor(f))
	of.deadline = ends == len(a.Effects)
	if of.what == moves && (len(tokens) != 1 || *a.To != tokens[0]) {
		of.to, of.external = *a.To, true
	}
	return *of, ""
}

// actor is in whose name a request acts: the account, or the Safe.
func actor(f *facts.Facts) common.Address {
	if f.Typed != nil && f.Typed.Safe != nil {
		return f.Typed.Safe.Address
	}
	return f.Request.Account.Address
}

// ownedOf says whose tokens effects are on, seen from who acts.
func ownedOf(effects []facts.Effect, self common.Address) owned {
	own, others := false, false
	for i := range effects {
		if effects[i].Owner == self {
			own = true
		} else {
			others = true
		}
	}
	switch {
	case own && others:
		return tokensOfBoth
	case others:
		return tokensOfOthers
	default:
		return ownTokens
	}
}

// idsOf says whether effects are of tokens that have ids.
func idsOf(effects []facts.Effect) ids {
	with, single := 0, 0
	for i := range effects {
		if effects[i].ID != nil {
			with++
		}
		if effects[i].Single {
			single++
		}
	}
	switch {
	case with == 0 && single == 0:
		return noIDs
	case with < len(effects):
		return someIDs
	case single == len(effects):
		return ofOne
	case single == 0:
		return ofMany
	default:
		return someIDs
	}
}

// boundless says why no words bound how much an action of the form moves.
func (of *form) boundless() string {
	switch {
	case of.what != moves && of.what != handover:
		return ""
	case of.amounts == mixed:
		return whyMixed
	case of.ids == someIDs:
		return whyIDs
	default:
		return ""
	}
}

// with returns the form of two actions of one signature.
func (of *form) with(other *form) form {
	tokens := of.list()
	for _, token := range other.list() {
		if !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	both := *of
	both.tokens = pack(tokens)
	if of.amounts != other.amounts || len(tokens) > 1 {
		both.amounts = mixed
	}
	if of.ids != other.ids {
		both.ids = someIDs
	}
	if of.owned != other.owned {
		both.owned = tokensOfBoth
	}
	both.deadline = of.deadline && other.deadline
	both.opaque = of.opaque || other.opaque
	return both
}

// pack makes one comparable value of a set of addresses.
func pack(set []common.Address) string {
	set = slices.SortedFunc(slices.Values(set), common.Address.Cmp)
	var b strings.Builder
	for i := range set {
		b.Write(set[i][:])
	}
	return b.String()
}

// list returns the tokens in order.
func (of *form) list() []common.Address {
	var all []common.Address
	for rest := of.tokens; rest != ""; rest = rest[common.AddressLength:] {
		all = append(all, common.BytesToAddress([]byte(rest[:common.AddressLength])))
	}
	return all
}

// name is the method's, without its types; "" where it is not known.
func (of *form) name() string {
	name, _, known := strings.Cut(of.method, "(")
	if !known {
		return ""
	}
	return name
}

// compare puts the narrower form first.
func (of *form) compare(o *form) int {
	return cmp.Or(
		cmp.Compare(of.what, o.what), of.to.Cmp(o.to),
		later(of.method == "" || of.method[0] == '0', o.method == "" || o.method[0] == '0'), cmp.Compare(of.method, o.method),
		cmp.Compare(len(of.tokens), len(o.tokens)), cmp.Compare(of.tokens, o.tokens),
		cmp.Compare(of.amounts, o.amounts), cmp.Compare(of.ids, o.ids), cmp.Compare(of.owned, o.owned), later(of.external, o.external),
		later(!of.deadline, !o.deadline), later(of.opaque, o.opaque), later(of.delegate, o.delegate),
	)
}
