package extapi

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// maxPEM bounds each of the files, in bytes. A private key is about 2,000, the
// authorities of a large company some 100,000.
const maxPEM = 1 << 20

// tlsMaterial is what the files held, all of them at one time.
type tlsMaterial struct {
	config  *tls.Config    // of a handshake
	clients *x509.CertPool // nil when callers need no certificate
	sums    [3][sha256.Size]byte
}

// tlsFiles is the content of the files.
type tlsFiles struct {
	cert, key, clients []byte
}

// read reads the files; a private key that others can read is an error.
func (c TLSConfig) read() (files tlsFiles, err error) {
	var problems []error
	if files.cert, err = readPEM(c.CertFile, nil); err != nil {
		problems = append(problems, fmt.Errorf("reading the TLS certificate: %w", err))
	}
	if files.key, err = readPEM(c.KeyFile, checkKeyMode); err != nil {
		problems = append(problems, fmt.Errorf("reading the TLS key: %w", err))
	}
	if c.ClientCAFile != "" {
		if files.clients, err = readPEM(c.ClientCAFile, nil); err != nil {
			problems = append(problems, fmt.Errorf("reading the authorities of clients: %w", err))
		} else if len(problems) > 0 { // or they are looked at with the others
			_, err := c.authorities(files)
			problems = append(problems, err)
		}
	}
	return files, errors.Join(problems...)
}

func readPEM(path string, check func(string, fs.FileInfo) error) ([]byte, error) {
	return readOrdinary(path, maxPEM, check)
}

func (f tlsFiles) sums() [3][sha256.Size]byte {
	return [3][sha256.Size]byte{sha256.Sum256(f.cert), sha256.Sum256(f.key), sha256.Sum256(f.clients)}
}

// material makes of the files what a handshake needs.
func (c TLSConfig) material(files tlsFiles, now time.Time) (*tlsMaterial, error) {
	pair, err := tls.X509KeyPair(files.cert, files.key)
	if err != nil {
		err = fmt.Errorf("TLS certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
	} else if expiry := pair.Leaf.NotAfter; now.After(expiry) {
		err = fmt.Errorf("TLS certificate %s expired on %s: renew it", c.CertFile, expiry.UTC().Format(time.RFC3339))
	}
	clients, errClients := c.authorities(files)
	if err := errors.Join(err, errClients); err != nil {
		return nil, err
	}
	m := &tlsMaterial{sums: files.sums(), clients: clients, config: &tls.Config{
		MinVersion:   c.oldest(),
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"http/1.1"},
		// Each connection shows its certificate to the authorities of today.
		SessionTicketsDisabled: true,
	}}
	if clients != nil {
		m.config.ClientCAs, m.config.ClientAuth = clients, tls.RequireAndVerifyClientCert
	}
	return m, nil
}

// authorities returns those of clients, nil if clients need no certificate.
func (c TLSConfig) authorities(files tlsFiles) (*x509.CertPool, error) {
	if c.ClientCAFile == "" {
		return nil, nil //nolint:nilnil // as it is taken
	}
	pool, err := authorities(files.clients)
	if err != nil {
		return nil, fmt.Errorf("authorities of clients %s: %w", c.ClientCAFile, err)
	}
	return pool, nil
}

// authorities reads certificates that are all understood, at least one.
func authorities(text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a block is %q, not CERTIFICATE", clip(block.Type))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate: %w", err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("no certificate in PEM is in it")
	}
	return pool, nil
}
