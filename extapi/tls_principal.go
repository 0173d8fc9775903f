package extapi

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxPrincipal bounds a name, in bytes: the audit log keeps it whole.
const maxPrincipal = 255

// tlsPeerKey is the context's key of a connection's peer.
type tlsPeerKey struct{}

// tlsPeer is what is known of the other end of a connection.
type tlsPeer struct {
	verified atomic.Pointer[verification]
}

// verification is that a certificate is of a known authority.
type verification struct {
	by     *tlsMaterial
	chains [][]*x509.Certificate // to its authorities; nil: those of the handshake
}

// holds reports whether all certificates of a chain are valid still.
func (v *verification) holds(ofHandshake [][]*x509.Certificate, now time.Time) bool {
	chains := v.chains
	if chains == nil {
		chains = ofHandshake
	}
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return !slices.ContainsFunc(chain, func(cert *x509.Certificate) bool { return now.After(cert.NotAfter) })
	})
}

// withPeer gives a connection a peer.
func withPeer(ctx context.Context) context.Context {
	return context.WithValue(ctx, tlsPeerKey{}, new(tlsPeer))
}

func peerOf(ctx context.Context) *tlsPeer {
	peer, _ := ctx.Value(tlsPeerKey{}).(*tlsPeer)
	return peer
}

// Principal returns who asks by a request: the one that the certificate of its
// connection names, as long as it is valid and an authority of today's knows it.
// Without authorities there are no certificates, and everybody is [Anonymous]. It is
// asked for each request, also for those on a connection that stays open: what held
// at the handshake may not hold any more.
func (k *TLSKeeper) Principal(r *http.Request) (string, error) {
	if !k.NamesCallers() {
		return Anonymous, nil
	}
	if err := k.Certified(r); err != nil {
		return "", err
	}
	return certificateName(r.TLS.PeerCertificates[0], k.cfg.CallerName)
}

// Certified returns an error if who asks by a request has no certificate of the authority of
// callers, by now. Whom it names does not matter.
func (k *TLSKeeper) Certified(r *http.Request) error {
	peer := peerOf(r.Context())
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || peer == nil {
		return errors.New("no client certificate")
	}
	certs, now := r.TLS.PeerCertificates, time.Now()
	if now.After(certs[0].NotAfter) {
		return errors.New("the client certificate has expired")
	}
	material, last := k.material(), peer.verified.Load()
	if last == nil || last.by != material || !last.holds(r.TLS.VerifiedChains, now) {
		chains, err := material.verify(certs, now)
		if err != nil {
			return errors.New("the client certificate is not one of a known authority any more")
		}
		peer.verified.Store(&verification{material, chains})
	}
	return nil
}

// verify checks a chain as a handshake does.
func (m *tlsMaterial) verify(certs []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, cert := range certs[1:] {
		between.AddCert(cert)
	}
	return certs[0].Verify(x509.VerifyOptions{
		Roots: m.clients, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// certificateName returns who a certificate names, in the part that says it. The
// first name there counts, also if it is no good: a caller can't choose.
func certificateName(cert *x509.Certificate, part CallerName) (string, error) {
	name, err := part.of(cert)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", fmt.Errorf("the client certificate names nobody: it needs %s", part.wanted())
	}
	if err := checkName("client certificate", name); err != nil {
		return "", err
	}
	return name, nil
}

// checkName refuses a name that nobody can prove to have: one that can't be written
// in a policy, and those of the callers who prove nothing or come by the socket.
func checkName(proof, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s names nobody", proof)
	case len(name) > maxPrincipal:
		return fmt.Errorf("the name in the %s has more than %d bytes", proof, maxPrincipal)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) || strings.TrimSpace(name) != name:
		return fmt.Errorf("the name in the %s has characters that a name can't have", proof)
	case strings.EqualFold(name, Local) || strings.EqualFold(name, Anonymous) || isUserName(name):
		return fmt.Errorf("the name in the %s is %q, which no caller can prove to have", proof, strings.ToLower(name))
	}
	return nil
}

// CheckCallerName refuses a name that no caller can have who proves it.
func CheckCallerName(name string) error { return checkName("configuration", name) }

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
