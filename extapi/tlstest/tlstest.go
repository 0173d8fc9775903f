// Package tlstest makes certificates for tests: of an authority, of servers and
// of their clients.
//
// The keys are made anew each time and belong to nobody. Nothing but tests
// imports the package.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// CA is an authority that signs what it is asked to.
type CA struct {
	PEM []byte // its certificate

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its private key, in PEM.
type Pair struct {
	Cert, Key []byte
}

// NewCA makes an authority with a name.
func NewCA(name string) (*CA, error) {
	pair, err := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	if err != nil {
		return nil, err
	}
	loaded, err := pair.Load()
	if err != nil {
		return nil, err
	}
	key, ok := loaded.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the authority's key is a %T", loaded.PrivateKey)
	}
	return &CA{PEM: pair.Cert, cert: loaded.Leaf, key: key}, nil
}

// Server issues a certificate for a server on this machine.
func (ca *CA) Server() (Pair, error) {
	return ca.Issue(&x509.Certificate{
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	})
}

// Client issues a certificate for a client with a DNS name.
func (ca *CA) Client(name string) (Pair, error) {
	return ca.Issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSNames: []string{name}})
}

// Issue signs a certificate as given. What it lacks of a serial number, a key
// usage and a validity is filled in: an hour.
func (ca *CA) Issue(cert *x509.Certificate) (Pair, error) { return issue(cert, ca) }

// Pool returns a pool with the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Load returns the pair as package tls takes it.
func (p Pair) Load() (tls.Certificate, error) { return tls.X509KeyPair(p.Cert, p.Key) }

// issue signs with an authority's key, or, without one, with the new key itself.
func issue(template *x509.Certificate, ca *CA) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generating a key: %w", err)
	}
	cert := *template
	if cert.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return Pair{}, fmt.Errorf("drawing a serial number: %w", err)
	}
	if cert.KeyUsage == 0 {
		cert.KeyUsage = x509.KeyUsageDigitalSignature
	}
	if cert.NotBefore.IsZero() {
		cert.NotBefore = time.Now().Add(-time.Hour)
	}
	if cert.NotAfter.IsZero() {
		cert.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := &cert, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &cert, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, fmt.Errorf("creating a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}, nil
}
