package policysuggest

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kvclef/kvclef/rules/facts"
)

const (
	alike     = 8   // bytes that texts of one rule begin with
	maxStart  = 128 // bytes that a rule says of how texts begin
	maxSignIn = 366 * 24 * time.Hour
	maxChains = 16
)

// ofText finds what a personal message has in common with others: the site that
// it signs in to, or how it begins.
func (s *shape) ofText(f *facts.Facts, open bool) (why string) {
	if f.Text == nil {
		return whyKind
	}
	if in := f.Text.SIWE; in != nil {
		switch {
		case !fits(in.Domain):
			return whyLong
		case in.Address != s.account || in.ExpirationTime != nil && !f.Time.Before(*in.ExpirationTime) || in.NotBefore != nil && f.Time.Before(*in.NotBefore):
			return whySignIn
		case in.ChainID == 0:
			return whyChain
		}
		s.text = text{
			signIn: true, start: in.Domain, expires: in.ExpirationTime != nil && in.ExpirationTime.Sub(f.Time) <= maxSignIn,
			states: in.Statement != "", demands: len(in.Resources) > 0,
		}
		if s.text.demands && !open {
			return whyResources
		}
		return ""
	}
	if !utf8.Valid(f.Text.Bytes) {
		s.text = text{binary: true}
		if !open {
			return whyBinary
		}
		return ""
	}
	s.text = text{
		start: beginning(string(f.Text.Bytes[:min(len(f.Text.Bytes), alike+utf8.UTFMax)])),
		raw:   strings.ContainsFunc(string(f.Text.Bytes), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }),
	}
	return ""
}

// beginning is as many whole characters as have at least some bytes.
func beginning(text string) string {
	for i := range text {
		if i >= alike {
			return text[:i]
		}
	}
	if !utf8.ValidString(text) { // it was cut within a character
		for text != "" {
			r, size := utf8.DecodeLastRuneInString(text)
			if r != utf8.RuneError || size > 1 {
				break
			}
			text = text[:len(text)-size]
		}
	}
	return text
}

// text takes in a personal message.
func (g *group) text(f *facts.Facts, one *Observed) {
	bytes := f.Text.Bytes
	g.lengths.addUint64(uint64(len(bytes)), one.Seq)
	if f.Text.SIWE != nil {
		if g.signIn == nil {
			g.signIn = &signIn{}
		}
		g.signIn.add(f, one.Seq)
		return
	}
	if g.shape.text.binary {
		return
	}
	text := string(bytes)
	if g.times.count == 1 {
		g.start = cut(text, maxStart)
	} else {
		g.start = shared(g.start, text)
	}
	g.whole.add(text)
}

// cut shortens a text to whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// shared is what two texts begin with, in whole characters.
func shared(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return cut(a, n)
}

// lasting leaves out the end of a beginning if it seems to be part of a date or a
// number, of which later ones will have another.
func lasting(start string) string {
	if rest := strings.TrimRight(start, "0123456789.:/-"); len(rest) >= alike {
		return rest
	}
	return start
}

// signIn is what was seen of Sign-In-with-Ethereum messages to one domain.
type signIn struct {
	chains     map[uint64]bool // nil: more than a rule lists
	manyChains bool
	uris       texts
	origins    texts
	statements texts
	expires    longest
}

func (s *signIn) add(f *facts.Facts, entry uint64) {
	m := f.Text.SIWE
	if s.chains == nil {
		s.chains = make(map[uint64]bool)
	}
	if s.chains[m.ChainID] = true; len(s.chains) > maxChains {
		s.manyChains = true
		delete(s.chains, m.ChainID)
	}
	s.uris.add(m.URI)
	s.origins.add(origin(m.URI))
	if m.Statement != "" {
		s.statements.add(m.Statement)
	}
	if m.ExpirationTime != nil {
		s.expires.add(m.ExpirationTime.Sub(f.Time), entry)
	}
}

// vague tells whether a rule would leave open more of a sign-in than was seen.
func (s *signIn) vague() bool {
	return s.manyChains || s.uris.many && s.origins.many || s.statements.many
}

// beginsSignIn tells whether the rule of messages allows a sign-in.
func (g *group) beginsSignIn() bool {
	if g.shape.text.signIn || g.shape.text.binary {
		return g.shape.text.binary
	}
	listed := !g.whole.many && len(g.whole.seen) > 0
	return !listed && !g.lengths.value.IsZero() && beginsSignIn(lasting(g.start))
}

// beginsSignIn tells whether a sign-in to some site may begin with a text, or
// begins with it and goes on.
func beginsSignIn(start string) bool {
	const asks = " wants you to sign in with your Ethereum account:\n"
	site, rest, _ := strings.Cut(start, " ")
	if strings.Trim(site, siteLetters) != "" || site == "" && start != "" {
		return false
	}
	if site == start {
		return true
	}
	rest = " " + rest
	return strings.HasPrefix(asks, rest) || strings.HasPrefix(rest, asks)
}

// siteLetters are those of a scheme and a domain (RFC 3986).
const siteLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@%[]/"

// origin is the scheme and the host of a URI with the slash after it; "" if it
// does not begin so.
func origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	if begins := u.Scheme + "://" + u.Host + "/"; strings.HasPrefix(uri, begins) {
		return begins
	}
	return ""
}
