package policysuggest

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/facts"
)

// shape is what all requests of a rule have in common.
type shape struct {
	kind      string
	principal string
	listener  string
	account   common.Address
	chain     uint64 // 0: none

	setCode  bool // a set-code transaction (EIP-7702)
	anyChain bool // one of its authorizations names no chain

	counted    bool   // what it moves of tokens can be added up
	unmeasured string // what else can't be

	outer form   // of the outermost actions
	safe  refund // of Safe transactions
	typed domain // of typed data that is no Safe transaction
	text  text

	payload common.Hash // the domain of block payloads
}

// refund is the Safe, and whether and how it pays for gas.
type refund struct {
	safe  common.Address
	paid  bool
	token common.Address // zero: ether
}

// domain is the primary type of typed data, and its domain.
type domain struct {
	primaryType, name, version string
	contract                   common.Address
	hasContract                bool
	salt                       common.Hash
	hasSalt                    bool
	members                    string // the paths of the addresses in the message, in order
	opaque                     bool   // it may do what is not looked at
}

// text is how a personal message begins, or the domain that it signs in to.
type text struct {
	signIn  bool
	expires bool   // of a sign-in: it says when
	states  bool   // of a sign-in: it has a statement
	demands bool   // of a sign-in: it names resources
	start   string // or the domain
	binary  bool   // no text
	raw     bool   // it has characters that can't be printed
}

// Why requests are not covered.
const (
	whyKind      = "of no known kind"
	whyCaller    = "the caller has a name or a listener that no rule can have"
	whyChain     = "no chain is named, or one that no rule can name"
	whyCreation  = "a contract is made within another call"
	whyUnknown   = "the data does not fit its method, and nothing should be allowed that is not understood"
	whyNothing   = "no tokens are moved, by a method that a rule would allow to move any"
	whySeveral   = "more than 8 tokens are moved at once"
	whyAnywhere  = "tokens are handed over on any chain"
	whySafe      = "the Safe transaction can't be read"
	whyDelegates = "a set-code transaction without authorizations"
	whyTyped     = "typed data that has the name of a permit and is none"
	whyLong      = "a text is too long for a rule, or no text"
	whyBinary    = "a message that is no text may mean anything"
	whyValidator = "data for a validator, of which a contract alone knows what it is"
	whyHidden    = "what it does can't be seen: "
	whySignIn    = "a sign-in for another account, or at another time"
	whyRules     = "of a further sort, and the draft has as many rules as it may"
	whyMany      = "there are more recipients or contracts than a rule lists"
	whyCalls     = "there are too many different calls within the calls"
	whyAddresses = "of further addresses, and the draft has as many as it may"
	whyGas       = "of more gas than a rule can allow"
	whyMixed     = "several tokens are moved at once, or amounts with and without a bound, and no word bounds those"
	whyIDs       = "some of what is moved has an id and some has none"
	whyManyIDs   = "there are more ids of tokens than a rule lists"
	whyTokens    = "of a further token, and a rule counts those of 16"
	whyMeasure   = "what it moves can't be counted"
	whyNoDomain  = "typed data that names no contract is good for any"
	whyNameless  = "typed data that names no address: no word tells one from another"
	whyMembers   = "typed data with more addresses than a rule can name"
	whyFewer     = "typed data with fewer addresses than other data of its name: the rule would leave the others open"
	whyWitness   = "a permit with a witness, which decides what becomes of the tokens and is not looked at"
	whyArguments = "a call with more addresses than a rule can name"
	whyResources = "a sign-in that names resources, which no word bounds"
	whySites     = "a sign-in with more chains, addresses of pages or statements than a rule lists"
	whyBeginning = "messages that begin as a sign-in to some site may"
	whyRefused   = "the rule that was drafted for them refuses "
	whyIntrudes  = "of another sort, and they use up the limits of the rule "
	whyOften     = "it was asked for more than 256 times within 24 hours"
	whyAmount    = "the sum of the amounts has more than 256 bits"
	whySize      = "of a further sort, and the draft is as large as a policy may be"
)

// shapeOf returns the shape of a request, or why it has none that a rule can
// describe. Open takes what no rule can describe narrowly.
func shapeOf(f *facts.Facts, open bool) (s shape, why string) {
	req := f.Request
	s = shape{kind: f.Kind, principal: req.Principal, listener: req.Caller.Transport}
	if !fits(s.principal) || s.principal == "" || s.listener != "ipc" && s.listener != "http" && s.listener != "ws" {
		return s, whyCaller
	}
	if req.Kind.Signs() {
		s.account = req.Account.Address
	}
	switch id := req.ChainID; {
	case id == nil && f.Kind == facts.KindTransaction:
		return s, whyChain
	case id != nil && (!id.IsUint64() || id.Sign() == 0 || id.Uint64() >= 1<<63):
		return s, whyChain
	case id != nil:
		s.chain = id.Uint64()
	}
	switch f.Kind {
	case facts.KindTransaction:
		why = s.ofTransaction(f)
	case facts.KindSafe:
		why = s.ofSafe(f)
	case facts.KindTypedData:
		if why = s.ofTyped(f); why == "" && !open {
			why = s.typed.vague(s.outer.what == handover)
		}
	case facts.KindText:
		why = s.ofText(f, open)
	case facts.KindPayload:
		if s.payload = f.Request.Payload.Domain; s.chain == 0 {
			why = whyChain
		}
	case facts.KindClique, facts.KindValidator, facts.KindList, facts.KindNewAccount:
	default:
		why = whyKind
	}
	if why == "" && s.chain == 0 && !open && movesTokens(f) {
		why = whyAnywhere
	}
	if why == "" {
		why = formsOf(f, open)
	}
	if why == "" && !open {
		why = cmp.Or(s.outer.boundless(), hidden(f))
	}
	return s, why
}

// movesTokens tells whether any action of a request that rules are about has an
// effect on tokens.
func movesTokens(f *facts.Facts) bool {
	for i := range own(f.Actions) {
		if len(f.Actions[i].Effects) > 0 {
			return true
		}
	}
	return false
}

// hidden says why a rule for a request would allow more than can be seen.
func hidden(f *facts.Facts) (why string) {
	if f.Kind == facts.KindValidator {
		return whyValidator
	}
	for i := range own(f.Actions) {
		if f.Actions[i].Opaque != "" {
			return whyHidden + f.Actions[i].Opaque
		}
	}
	return ""
}

func (s *shape) ofTransaction(f *facts.Facts) (why string) {
	if len(f.Actions) != 1 && !outermostAlone(f.Actions) {
		return whyKind
	}
	if f.Tx.Gas() >= 1<<63 {
		return whyGas
	}
	if s.setCode = f.Tx.Type() == 4; s.setCode && len(f.Tx.Delegates) == 0 {
		return whyDelegates
	}
	for _, d := range f.Tx.Delegates {
		s.anyChain = s.anyChain || d.AnyChain
	}
	s.outer, why = formOf(f, &f.Actions[0])
	return why
}

// outermostAlone tells whether all actions but the first lie within it.
func outermostAlone(actions []facts.Action) bool {
	for i := range actions {
		if (i == 0) != (actions[i].Depth == 0) {
			return false
		}
	}
	return len(actions) > 0
}

func (s *shape) ofSafe(f *facts.Facts) (why string) {
	if f.Typed == nil || f.Typed.Safe == nil || !outermostAlone(f.Actions) || f.Actions[0].To == nil {
		return whySafe
	}
	s.safe.safe = f.Typed.Safe.Address
	if s.safe.paid = !f.Typed.Safe.MaxRefund.IsZero(); s.safe.paid {
		s.safe.token = f.Typed.Safe.GasToken
		if s.safe.token != (common.Address{}) && s.chain == 0 {
			return whyAnywhere
		}
	}
	s.outer, why = formOf(f, &f.Actions[0])
	return why
}

func (s *shape) ofTyped(f *facts.Facts) (why string) {
	t := f.Typed
	if t == nil {
		return whyKind
	}
	if !fits(t.PrimaryType) || t.PrimaryType == "" || !fits(t.Name) || !fits(t.Version) {
		return whyLong
	}
	s.typed = domain{primaryType: t.PrimaryType, name: t.Name, version: t.Version}
	if members, ok := membersOf(f.Request.TypedData); ok {
		s.typed.members = strings.Join(members, ",")
	} else {
		s.typed.members = lost
	}
	if t.Contract != nil {
		s.typed.contract, s.typed.hasContract = *t.Contract, true
	}
	if t.Salt != nil {
		s.typed.salt, s.typed.hasSalt = *t.Salt, true
	}
	if handsOver(t.PrimaryType) && (len(f.Actions) == 0 || len(f.Actions[0].Effects) == 0) {
		return whyTyped
	}
	if len(f.Actions) == 0 {
		return ""
	}
	if s.typed.opaque = len(f.Actions[0].Effects) == 0; s.typed.opaque {
		return ""
	}
	for i := range f.Actions {
		of, why := formOf(f, &f.Actions[i])
		if why != "" {
			return why
		}
		if i == 0 {
			s.outer = of
		} else if s.outer = s.outer.with(&of); len(s.outer.tokens) > maxTokens*common.AddressLength {
			return whySeveral
		}
	}
	return ""
}

// lost stands for members that a rule can't name.
const lost = "?"

// list are the paths of the addresses of a message that a rule can name.
func (d *domain) list() []string {
	if d.members == lost || d.members == "" {
		return nil
	}
	return strings.Split(d.members, ",")
}

// vague says why a rule for such data would allow other data, too.
func (d *domain) vague(handover bool) string {
	switch {
	case !d.hasContract:
		return whyNoDomain
	case strings.HasSuffix(d.primaryType, witness):
		return whyWitness
	case handover || d.opaque:
		return ""
	case d.members == lost:
		return whyMembers
	case d.members == "":
		return whyNameless
	default:
		return ""
	}
}

// witness ends the name of a permit that has one.
const witness = "WitnessTransferFrom"

// handsOver tells whether a primary type is that of typed data which hands tokens
// over: a rule that names it would allow that too.
func handsOver(primaryType string) bool {
	return strings.HasPrefix(primaryType, "Permit") || strings.HasSuffix(primaryType, "WithAuthorization")
}

// fits tells whether a text of a caller may stand in the draft.
func fits(text string) bool { return len(text) <= maxString && utf8.ValidString(text) }

// compare orders shapes as rules should stand: by account, and where two rules
// may match one request, the narrower one first.
func (s *shape) compare(o *shape) int {
	return cmp.Or(
		cmp.Compare(kindRank(s.kind), kindRank(o.kind)),
		s.account.Cmp(o.account),
		later(s.chain == 0, o.chain == 0), cmp.Compare(s.chain, o.chain),
		cmp.Compare(s.principal, o.principal), cmp.Compare(s.listener, o.listener),
		s.text.compare(&o.text), s.payload.Cmp(o.payload),
		s.safe.safe.Cmp(o.safe.safe), later(s.safe.paid, o.safe.paid), s.safe.token.Cmp(o.safe.token),
		later(s.setCode, o.setCode), later(s.anyChain, o.anyChain),
		s.outer.compare(&o.outer),
		later(!s.counted, !o.counted), cmp.Compare(s.unmeasured, o.unmeasured),
		s.typed.compare(&o.typed),
	)
}

// later puts what is so behind what is not.
func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func kindRank(kind string) int {
	for i, k := range []string{
		facts.KindList, facts.KindNewAccount, facts.KindTransaction, facts.KindSafe, facts.KindTypedData, facts.KindText, facts.KindClique, facts.KindValidator, facts.KindPayload,
	} {
		if k == kind {
			return i
		}
	}
	return -1
}

// compare puts domains that say more first.
func (d *domain) compare(o *domain) int {
	return cmp.Or(
		cmp.Compare(d.primaryType, o.primaryType),
		later(d.name == "", o.name == ""), cmp.Compare(d.name, o.name),
		later(d.version == "", o.version == ""), cmp.Compare(d.version, o.version),
		later(!d.hasContract, !o.hasContract), d.contract.Cmp(o.contract),
		later(!d.hasSalt, !o.hasSalt), d.salt.Cmp(o.salt), cmp.Compare(len(o.members), len(d.members)), cmp.Compare(d.members, o.members), later(d.opaque, o.opaque),
	)
}

func (t *text) compare(o *text) int {
	return cmp.Or(
		later(t.binary, o.binary), later(!t.signIn, !o.signIn),
		cmp.Compare(t.start, o.start), later(t.raw, o.raw), later(!t.expires, !o.expires), later(!t.states, !o.states), later(t.demands, o.demands),
	)
}
