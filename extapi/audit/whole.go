package audit

import (
	"encoding/json"
	"fmt"
	"strings"
)

// MaxWhole is the most bytes that a request which an entry has in full may have:
// its preimage before that is written in hexadecimal, or its typed data.
const MaxWhole = 32 << 10

// Whole is a request in full: what [Entry] has not of it. From both, the request
// can be made again, exactly, and judged again.
//
// It is never cut. A request with more than [Log.Append] takes is left out, and
// Omitted says why.
type Whole struct {
	// Preimage is what the digest is the Keccak-256 of, in hexadecimal from 0x: of a
	// transaction its type and the RLP of what is signed, of text and data all of
	// it. Typed data has none.
	Preimage string `json:"preimage,omitempty"`

	// TypedData is the EIP-712 document, also of a Safe transaction: JSON text in
	// printable ASCII.
	TypedData json.RawMessage `json:"typed_data,omitempty"`

	Tags map[string]string `json:"tags,omitempty"` // of the account's key

	Signature string    `json:"signature,omitempty"` // of the method that call data was decoded by, such as "transfer(address,uint256)"
	Findings  []Finding `json:"findings,omitempty"`  // of validation, but for that of the decoded call
	From      string    `json:"from,omitempty"`      // as the caller spelled it, where that is not the checksummed address
	To        string    `json:"to,omitempty"`        // likewise
	Absent    []string  `json:"absent,omitempty"`    // members that the caller left out, where the transaction does not tell

	BlobVersion byte `json:"blob_version,omitempty"` // of the blobs' proofs, if the caller gave it

	// What a caller says of itself, cut like other texts.
	Local     string `json:"local,omitempty"` // the host that it asked
	UserAgent string `json:"user_agent,omitempty"`
	Origin    string `json:"origin,omitempty"`

	Omitted string `json:"omitted,omitempty"` // why there is nothing but this
}

// Finding is what validation found in call data.
type Finding struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Bounds of a request in full, besides MaxWhole, in bytes.
const (
	maxWholeHex   = 2 + 2*MaxWhole
	maxWholeText  = 8 << 10 // of all texts together
	maxWholeTexts = 512     // how many
)

// TooLarge is a request that is left out since it has so many bytes.
func TooLarge(size int) *Whole { return &Whole{Omitted: tooLarge(size)} }

// bounded returns the request as it may be written: in full, or not.
func (w *Whole) bounded() *Whole {
	if w.Omitted != "" {
		return &Whole{Omitted: bound(w.Omitted, boundText)}
	}
	if problem := w.problem(); problem != "" {
		return &Whole{Omitted: problem}
	}
	whole := *w
	for _, text := range []*string{&whole.Local, &whole.UserAgent, &whole.Origin} {
		*text = bound(*text, boundText)
	}
	return &whole
}

// problem says why a request can't be written in full, "" if it can.
func (w *Whole) problem() string {
	switch {
	case len(w.Preimage) > maxWholeHex:
		return tooLarge(len(w.Preimage)/2 - 1)
	case len(w.TypedData) > MaxWhole:
		return tooLarge(len(w.TypedData))
	case strings.Trim(w.Preimage, "0123456789abcdefx") != "", strings.ContainsFunc(string(w.TypedData), unprintable):
		return "the request is not written as it should be"
	}
	texts := append([]string{w.Signature, w.From, w.To}, w.Absent...)
	for key, value := range w.Tags {
		texts = append(texts, key, value)
	}
	for _, f := range w.Findings {
		texts = append(texts, f.Type, f.Message)
	}
	size := 0
	for _, text := range texts {
		if bound(text, maxWholeText) != text {
			return "the request has a text that is too long, or is not plain"
		}
		size += len(text)
	}
	if size > maxWholeText || len(texts) > maxWholeTexts {
		return "the request has too much text beside what is signed"
	}
	return ""
}

// tooLarge says that a request has too many bytes.
func tooLarge(size int) string {
	return fmt.Sprintf("the request has %d bytes, of which an entry has at most %d", size, MaxWhole)
}

// unprintable reports whether a character is not printable ASCII.
func unprintable(r rune) bool { return r < ' ' || r >= 0x7f }
