package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// nonceBytes are those of the random part of a challenge.
const nonceBytes = 16

// maxProof bounds a proof, in bytes.
const maxProof = 8 << 10

// Claim is what a vote says.
type Claim struct {
	Ticket  string
	Hash    common.Hash // of what was shown
	Person  string
	Approve bool
	Comment string
}

// challenge is what a passkey signs for a claim: the SHA-256 of its parts, each with
// its length, after a word that no other challenge begins with.
func (c Claim) challenge(nonce []byte) [32]byte {
	verdict := "reject"
	if c.Approve {
		verdict = "approve"
	}
	comment := sha256.Sum256([]byte(c.Comment))
	h := sha256.New()
	for _, part := range [][]byte{[]byte("kvclef vote 1"), []byte(c.Ticket), c.Hash[:], []byte(c.Person), []byte(verdict), comment[:], nonce} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// Proof is the assertion of a passkey that a claim is its person's. Bytes are
// base64url without padding.
type Proof struct {
	Credential        string `json:"credential"` // id
	RPID              string `json:"rp_id"`      // the host that the passkey is for
	Nonce             string `json:"nonce"`
	AuthenticatorData string `json:"authenticator_data"`
	ClientData        string `json:"client_data"`
	Signature         string `json:"signature"`
}

// ParseProof reads a proof. It is strict: nobody may add what is not proved.
func ParseProof(text []byte) (*Proof, error) {
	if len(text) > maxProof {
		return nil, fmt.Errorf("the proof has %d bytes, and may have %d", len(text), maxProof)
	}
	p := new(Proof)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("decoding the proof: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decoding the proof: more follows it")
	}
	if again, err := json.Marshal(p); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("the proof is not spelled as kvclef writes it")
	}
	return p, nil
}

// The flags of authenticator data (WebAuthn level 3, section 6.1).
const (
	flagPresent  = 1 << 0
	flagVerified = 1 << 2
	flagsAt      = 32 // after the hash of the host
	leastData    = 37
)

// Verify checks that a claim was made by whoever has the private key of a public key,
// COSE. It needs nothing but what is recorded.
func Verify(text, publicKey []byte, claim Claim) error {
	p, err := ParseProof(text)
	if err != nil {
		return err
	}
	var nonce, data, client, signature []byte
	for _, part := range []struct {
		text string
		to   *[]byte
	}{{p.Nonce, &nonce}, {p.AuthenticatorData, &data}, {p.ClientData, &client}, {p.Signature, &signature}} {
		if *part.to, err = base64.RawURLEncoding.Strict().DecodeString(part.text); err != nil {
			return fmt.Errorf("decoding the proof: %w", err)
		}
	}
	if err := checkClient(client, claim.challenge(nonce), p.RPID); err != nil {
		return err
	}
	host := sha256.Sum256([]byte(p.RPID))
	switch {
	case len(nonce) != nonceBytes:
		return fmt.Errorf("the nonce has %d bytes, and not %d", len(nonce), nonceBytes)
	case len(data) < leastData || !bytes.Equal(data[:len(host)], host[:]):
		return errors.New("the passkey was not asked for this host")
	case data[flagsAt]&flagPresent == 0 || data[flagsAt]&flagVerified == 0:
		return errors.New("the passkey did not verify that its person was there")
	}
	key, err := parseKey(publicKey)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(client)
	good, err := webauthncose.VerifySignature(key, append(bytes.Clone(data), sum[:]...), signature)
	if err != nil {
		return fmt.Errorf("checking the signature: %w", err)
	}
	if !good {
		return errors.New("the signature is not by this passkey")
	}
	return nil
}

// checkClient checks what the browser has signed with.
func checkClient(text []byte, challenge [32]byte, host string) error {
	var client struct {
		Type        string `json:"type"`
		Challenge   string `json:"challenge"`
		Origin      string `json:"origin"`
		CrossOrigin bool   `json:"crossOrigin"`
	}
	if err := json.Unmarshal(text, &client); err != nil {
		return fmt.Errorf("decoding what the browser has signed with: %w", err)
	}
	origin, err := url.Parse(client.Origin)
	if err != nil {
		return fmt.Errorf("reading the origin of the page: %w", err)
	}
	switch {
	case client.Type != "webauthn.get":
		return fmt.Errorf("the assertion is of the type %q", client.Type)
	case client.Challenge != encode(challenge[:]):
		return errors.New("the assertion is for another vote")
	case client.CrossOrigin:
		return errors.New("the assertion was made within another page")
	case (origin.Scheme != "https" && origin.Scheme != "http") || origin.Hostname() != host:
		return fmt.Errorf("the assertion was made at a page of %q, not of %q", client.Origin, host)
	}
	return nil
}
