package passkey

import (
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// maxRecorded is how long an id or a public key may be in the journal, in base64url:
// what is longer would be cut there, and proves nothing afterwards. RSA keys of 4,096
// bits fit.
const maxRecorded = 1024

// minModulus is the shortest RSA modulus that is taken, in bytes.
const minModulus = 256

// algorithms are those that a passkey may sign by, the best first.
func algorithms() []protocol.CredentialParameter {
	var all []protocol.CredentialParameter
	for _, algorithm := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		all = append(all, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	return all
}

// parseKey reads a public key, COSE, that a passkey may have.
func parseKey(public []byte) (any, error) {
	key, err := webauthncose.ParsePublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	good := false
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		good = k.Algorithm == int64(webauthncose.AlgES256)
	case webauthncose.OKPPublicKeyData:
		good = k.Algorithm == int64(webauthncose.AlgEdDSA)
	case webauthncose.RSAPublicKeyData:
		good = k.Algorithm == int64(webauthncose.AlgRS256) && len(k.Modulus) >= minModulus && k.Modulus[0] != 0
	}
	if !good {
		return nil, errors.New("the public key is none of ES256, EdDSA and RS256 with 2,048 bits")
	}
	return key, nil
}

// fit refuses a new passkey whose votes could not be proved by the journal.
func fit(id, public []byte) error {
	if n := max(len(encode(id)), len(encode(public))); n > maxRecorded {
		return fmt.Errorf("its id or its public key has %d bytes in base64url, and may have %d", n, maxRecorded)
	}
	_, err := parseKey(public)
	return err
}
