package extapi

import (
	"crypto/x509"
	"strings"
)

// CallerName is the part of a client certificate that says who the caller is.
type CallerName string

// The parts.
const (
	// NameFirst is the first DNS name, which is op-signer's rule, else the first URI,
	// else the common name. It is the default.
	NameFirst CallerName = ""

	NameDNS     CallerName = "dns"         // the first DNS name, in lower case
	NameURI     CallerName = "uri"         // the first URI, such as spiffe://example.com/batcher
	NameEmail   CallerName = "email"       // the first address of e-mail
	NameCommon  CallerName = "common_name" // that of the subject
	NameSubject CallerName = "subject"     // all of the subject, as RFC 2253 writes it: CN=batcher,O=Example
)

// CallerNames are the parts that can be chosen.
func CallerNames() []string {
	return []string{string(NameDNS), string(NameURI), string(NameEmail), string(NameCommon), string(NameSubject)}
}

// of returns the name in a certificate, "" if it has none there. A name of DNS has no
// capitals here, so that a caller has one name in a policy.
func (n CallerName) of(cert *x509.Certificate) string {
	switch {
	case len(cert.DNSNames) > 0 && (n == NameDNS || n == NameFirst):
		return strings.ToLower(cert.DNSNames[0])
	case len(cert.URIs) > 0 && (n == NameURI || n == NameFirst):
		return cert.URIs[0].String()
	case len(cert.EmailAddresses) > 0 && n == NameEmail:
		return cert.EmailAddresses[0]
	case n == NameCommon || n == NameFirst:
		return cert.Subject.CommonName
	case n == NameSubject:
		return cert.Subject.String()
	default:
		return ""
	}
}

// wanted says what a certificate needs.
func (n CallerName) wanted() string {
	switch n {
	case NameDNS:
		return "a DNS name"
	case NameURI:
		return "a URI"
	case NameEmail:
		return "an address of e-mail"
	case NameCommon:
		return "a common name"
	case NameSubject:
		return "a subject"
	default:
		return "a DNS name, a URI or a common name"
	}
}
