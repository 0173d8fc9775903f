package extapi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TLSConfig names the files that the encryption of the HTTP listener rests on,
// all PEM. They are read again when they change: a certificate is renewed, and
// an authority is replaced, while the listener runs. The zero value is no
// encryption.
type TLSConfig struct {
	// CertFile holds the server's certificate, and after it those that lead to
	// the authority that clients trust.
	CertFile string

	// KeyFile holds the certificate's private key. Nobody but the signer's user
	// may read it.
	KeyFile string

	// ClientCAFile holds the authorities of the callers' certificates. Without it
	// callers need none, and are anonymous. With it no other call is answered,
	// and the certificate says who the caller is.
	ClientCAFile string

	// CallerName is the part of a caller's certificate that says who the caller is. A
	// certificate without it is refused. Default: [NameFirst].
	CallerName CallerName

	// MinVersion is the oldest version spoken: [tls.VersionTLS12], or
	// [tls.VersionTLS13], the default.
	MinVersion uint16

	// Interval is how long the files are taken for unchanged. Default: 2 s.
	Interval time.Duration
}

// ErrNoTLSFiles is that one of the two files is missing without which there is no TLS.
var ErrNoTLSFiles = errors.New("TLS needs a certificate and its private key: give both files")

// on reports whether the listener is encrypted.
func (c TLSConfig) on() bool { return c != TLSConfig{} }

func (c TLSConfig) check() error {
	switch {
	case !c.on():
		return nil
	case c.CertFile == "" || c.KeyFile == "":
		return ErrNoTLSFiles
	case c.CallerName != NameFirst && !slices.Contains(CallerNames(), string(c.CallerName)):
		return fmt.Errorf("callers can't be named by the part %q of their certificates: it is none of %s", c.CallerName, strings.Join(CallerNames(), ", "))
	case c.CallerName != NameFirst && c.ClientCAFile == "":
		return errors.New("callers are named by a part of their certificates, and show none: name the authorities of those as well")
	case c.Interval < 0:
		return fmt.Errorf("TLS files can't be taken for unchanged for %s: give a positive time", c.Interval)
	case c.MinVersion != 0 && c.MinVersion != tls.VersionTLS12 && c.MinVersion != tls.VersionTLS13:
		return fmt.Errorf("TLS is spoken from version 1.2 or 1.3, not from %s", tls.VersionName(c.MinVersion))
	default:
		return nil
	}
}

// oldest returns the oldest version spoken.
func (c TLSConfig) oldest() uint16 {
	if c.MinVersion == 0 {
		return tls.VersionTLS13
	}
	return c.MinVersion
}
