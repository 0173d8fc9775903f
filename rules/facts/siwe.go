package facts

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Bounds of a Sign-In-with-Ethereum message, which people read.
const (
	maxSIWE      = 16 << 10 // bytes
	maxResources = 64
)

// The parts of a message that have a form of their own, by RFC 3986 and EIP-4361.
var (
	siweScheme    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)
	siweDomain    = regexp.MustCompile(`^(?:([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]*)?$`)
	siweStatement = regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;= -]+$`)
	siweNonce     = regexp.MustCompile(`^[A-Za-z0-9]{8,}$`)
	siweRequestID = regexp.MustCompile(`^([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*$`)
	siweURI       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$`)
	siweVersion   = regexp.MustCompile(`^1$`)
	siweNumber    = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	siweTime      = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
)

// parseSIWE reads a message by the grammar of EIP-4361, exactly; nil if it is
// not one. Of what has two spellings it takes the usual one: a chain without zeros
// in front, a time in capitals and no finer than a nanosecond.
func parseSIWE(text string) *SIWE {
	if len(text) > maxSIWE {
		return nil
	}
	r := &siweReader{lines: strings.Split(text, "\n")}
	m := &SIWE{}
	r.opening(m)
	r.address(m)
	r.literal("")
	if statement, ok := r.peek(); ok && statement != "" {
		m.Statement = r.matching("", siweStatement)
	}
	r.literal("")
	m.URI = r.uri("URI: ")
	m.Version = r.matching("Version: ", siweVersion)
	m.ChainID = r.number("Chain ID: ")
	m.Nonce = r.matching("Nonce: ", siweNonce)
	if issued := r.time("Issued At: "); issued != nil {
		m.IssuedAt = *issued
	}
	if r.at("Expiration Time: ") {
		m.ExpirationTime = r.time("Expiration Time: ")
	}
	if r.at("Not Before: ") {
		m.NotBefore = r.time("Not Before: ")
	}
	if r.at("Request ID: ") {
		m.RequestID = r.matching("Request ID: ", siweRequestID)
	}
	if line, ok := r.peek(); ok && line == "Resources:" {
		r.literal("Resources:")
		for r.at("- ") && len(m.Resources) <= maxResources {
			m.Resources = append(m.Resources, r.uri("- "))
		}
	}
	if r.bad || len(r.lines) > 0 || len(m.Resources) > maxResources {
		return nil
	}
	return m
}

// siweReader takes a message line by line. Once something is not as it must be,
// the message is none.
type siweReader struct {
	lines []string
	bad   bool
}

// peek returns the next line, if there is one.
func (r *siweReader) peek() (string, bool) {
	if len(r.lines) == 0 {
		return "", false
	}
	return r.lines[0], true
}

// at tells whether the next line begins with a name.
func (r *siweReader) at(name string) bool {
	line, ok := r.peek()
	return ok && strings.HasPrefix(line, name)
}

// after takes a line and returns what stands behind its name.
func (r *siweReader) after(name string) string {
	line, ok := r.peek()
	value, named := strings.CutPrefix(line, name)
	if !ok || !named {
		r.bad = true
		return ""
	}
	r.lines = r.lines[1:]
	return value
}

func (r *siweReader) literal(text string) { r.check(r.after(text) == "") }

func (r *siweReader) check(ok bool) { r.bad = r.bad || !ok }

func (r *siweReader) matching(name string, form *regexp.Regexp) string {
	value := r.after(name)
	r.check(form.MatchString(value))
	return value
}

func (r *siweReader) opening(m *SIWE) {
	line := r.after("")
	who, ok := strings.CutSuffix(line, " wants you to sign in with your Ethereum account:")
	r.check(ok)
	if scheme, domain, found := strings.Cut(who, "://"); found {
		r.check(siweScheme.MatchString(scheme))
		m.Scheme, who = scheme, domain
	}
	parts := siweDomain.FindStringSubmatch(who)
	if parts == nil {
		r.bad = true
		return
	}
	if parts[2] != "" {
		ip, err := netip.ParseAddr(parts[2])
		r.check(err == nil && ip.Is6())
	}
	m.Domain = who
}

// address takes an address, which must have its checksum.
func (r *siweReader) address(m *SIWE) {
	text := r.after("0x")
	m.Address = common.HexToAddress(text)
	r.check(len(text) == 2*common.AddressLength && m.Address.Hex() == "0x"+text)
}

func (r *siweReader) uri(name string) string {
	value := r.matching(name, siweURI)
	_, err := url.Parse(value)
	r.check(err == nil)
	return value
}

func (r *siweReader) number(name string) uint64 {
	value := r.matching(name, siweNumber)
	n, err := strconv.ParseUint(value, 10, 64)
	r.check(err == nil)
	return n
}

func (r *siweReader) time(name string) *time.Time {
	value := r.matching(name, siweTime) // Go takes more than RFC 3339 has
	at, err := time.Parse(time.RFC3339Nano, value)
	r.check(err == nil)
	return &at
}
