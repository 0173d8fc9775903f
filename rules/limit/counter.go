package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// maxReadable is how long a part of a name may be, in bytes, to stand in it as it
// is.
const maxReadable = 80

// none stands where a request has nothing that a limit is kept apart for.
const none = "none"

// order is in which order the names of counters tell what they are for, whatever
// the order in the policy.
func order() []Per {
	return []Per{PerAccount, PerPrincipal, PerChain, PerToken, PerRecipient, PerArgument}
}

// counter names the total that an item counts for, such as
// "daily/amount/account=0x71…/token=1:0xa0…". The name depends on the limit's id
// and measure and on what it is kept apart for, and on nothing else of the
// policy.
func (m *measuring) counter(i *item) string {
	if m.per == nil && m.Measure != Amount {
		return bounded(m.prefix)
	}
	var b strings.Builder
	b.WriteString(m.prefix)
	for _, per := range order() {
		var value string
		switch {
		case per == PerToken && m.Measure == Amount:
			value = i.token // two tokens have no unit in common
		case !m.per[per]:
			continue
		case per == PerAccount:
			value = hexOf(m.facts.Request.Account.Address)
		case per == PerPrincipal:
			value = readable(m.facts.Request.Principal)
		case per == PerChain:
			value = m.chain()
		case per == PerRecipient:
			value = i.recipient
		case per == PerArgument:
			value = readable(i.argument)
		}
		b.WriteString("/" + string(per) + "=" + value)
	}
	return bounded(b.String())
}

// slot is what can be done once alone. A digest does not say whose it is: a permit
// that names no owner, and a transaction, is of each account that signs it. What
// a Safe does it does once, whichever of its owners sign.
func (m *measuring) slot() string {
	f := m.facts
	account := hexOf(f.Request.Account.Address)
	switch {
	case f.Kind == facts.KindSafe && m.Measure != Signatures:
		return f.Request.Digest.Hex()
	case f.Tx == nil || m.Measure == Signatures:
		return account + "/" + f.Request.Digest.Hex()
	default:
		return chainOf(f.Request.ChainID) + "/" + account + "/" + strconv.FormatUint(f.Tx.Nonce(), 10)
	}
}

// tokenOf names a token. A limit on one token has one total for it, whether a
// request names the chain or not.
func (m *measuring) tokenOf(token common.Address) string {
	if m.Token != nil && m.Chain == 0 {
		return hexOf(token)
	}
	return m.chain() + ":" + hexOf(token)
}

// chain names the chain of what is counted: that of the limit's token, or else of
// the request.
func (m *measuring) chain() string {
	if m.Token != nil && m.Chain != 0 {
		return strconv.FormatUint(m.Chain, 10)
	}
	return chainOf(m.facts.Request.ChainID)
}

// anyChain tells whether a request holds on each chain, and the limit has a total
// for each: there is none that it can count for.
func (m *measuring) anyChain() bool {
	if m.facts.Request.ChainID != nil || m.Token != nil && m.Chain != 0 {
		return false
	}
	switch m.facts.Kind {
	case facts.KindTransaction, facts.KindTypedData, facts.KindSafe:
		return m.per[PerChain] || m.Measure == Amount && m.Token == nil
	default:
		return false // a message is of no chain
	}
}

func hexOf(address common.Address) string {
	var text [2 + 2*common.AddressLength]byte
	copy(text[:], "0x")
	hex.Encode(text[2:], address[:])
	return string(text[:])
}

func chainOf(id *big.Int) string {
	if id == nil {
		return none
	}
	return readable(id.String())
}

// readable writes a part of a name so that it contains neither "/" nor control
// characters; what is long becomes its hash.
func readable(text string) string {
	if text == "" {
		return "empty"
	}
	escaped := text
	if len(text) <= maxReadable {
		escaped = url.PathEscape(text)
	}
	if len(escaped) <= maxReadable && text != "empty" && !strings.HasPrefix(text, "sha256:") {
		return escaped
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// bounded is a name that a ledger takes: what is too long ends in its hash.
func bounded(name string) string {
	if len(name) <= rules.MaxCounter {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := "/sha256=" + hex.EncodeToString(sum[:])
	return name[:rules.MaxCounter-len(end)] + end
}

// Counter is what the name of a counter says.
type Counter struct {
	Limit   string  // the limit's id
	Measure Measure // "" if the name is not one of a limit
	Per     []string
}

// ParseCounter reads the name of a counter, for people: "daily/value/account=0x71…"
// is of the limit "daily", and Per has "account=0x71…".
func ParseCounter(name string) Counter {
	parts := strings.Split(name, "/")
	end := len(parts)
	for end > 0 && strings.Contains(parts[end-1], "=") {
		end--
	}
	if end < 2 || !slices.Contains(measures(), Measure(parts[end-1])) {
		return Counter{Limit: name}
	}
	return Counter{Limit: strings.Join(parts[:end-1], "/"), Measure: Measure(parts[end-1]), Per: parts[end:]}
}
