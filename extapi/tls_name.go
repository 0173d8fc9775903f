package extapi

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
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
func (n CallerName) of(cert *x509.Certificate) (string, error) {
	switch {
	case len(cert.DNSNames) > 0 && (n == NameDNS || n == NameFirst):
		return strings.ToLower(cert.DNSNames[0]), nil
	case len(cert.URIs) > 0 && (n == NameURI || n == NameFirst):
		return cert.URIs[0].String(), nil
	case len(cert.EmailAddresses) > 0 && n == NameEmail:
		return cert.EmailAddresses[0], nil
	case n == NameCommon || n == NameFirst:
		return commonName(cert.Subject)
	case n == NameSubject:
		return subjectName(cert.RawSubject)
	default:
		return "", nil
	}
}

// commonName is the one of a subject. Of several a [pkix.Name] keeps the last, so that
// those who have others before it would be the same caller.
func commonName(subject pkix.Name) (string, error) {
	count := 0
	for _, attribute := range subject.Names {
		if attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			count++
		}
	}
	if count > 1 {
		return "", fmt.Errorf("the subject of the client certificate has %d common names, so that it is not clear whom it names: issue it with one", count)
	}
	return subject.CommonName, nil
}

// subjectName is all of a subject as the certificate has it. The text of a [pkix.Name] has
// one order for all, and not what there is of an attribute before the last.
func subjectName(raw []byte) (string, error) {
	var subject pkix.RDNSequence
	if len(raw) == 0 {
		return "", nil
	}
	if rest, err := asn1.Unmarshal(raw, &subject); err != nil || len(rest) > 0 {
		return "", errors.New("the subject of the client certificate can't be read")
	}
	return subject.String(), nil
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
