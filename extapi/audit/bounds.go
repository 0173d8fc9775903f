package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many bytes of UTF-8 an entry's texts may have. What is longer is cut, and
// ends with the mark.
const (
	boundName   = 64   // names of ours, addresses, hashes, numbers
	boundNumber = 96   // 256-bit numbers in decimal, 32 bytes in hexadecimal
	boundText   = 256  // identities, remote addresses, vaults, rules, excerpts
	boundCall   = 2048 // a decoded call
	boundProse  = 1024 // reasons, errors, notes
	boundWhy    = 4096 // explanations
	mark        = "…"
)

// maxLine is more than the longest line: each bounded byte can become six, as
// in \u0001.
const maxLine = 272 << 10

// bounded returns the entry as it may be written: its texts are bounded, valid
// UTF-8, and without what could lead a terminal astray. Its result for what it
// returned is the same again.
func bounded(e Entry) Entry {
	given := e
	for _, text := range []*string{
		&e.Request, &e.First, &e.Transport, &e.Method, &e.Kind, &e.Account, &e.KeyVersion, &e.To, &e.Selector, &e.Verdict, &e.Outcome,
		&e.Ticket, &e.State, &e.Vote, &e.Way, &e.Replica,
	} {
		*text = bound(*text, boundName)
	}
	for _, text := range []*string{&e.ChainID, &e.Nonce, &e.Value, &e.DataHash, &e.Digest, &e.SignatureHash, &e.Policy, &e.TicketHash} {
		*text = bound(*text, boundNumber)
	}
	for _, text := range []*string{
		&e.Principal, &e.Remote, &e.Vault, &e.Key, &e.ContentType, &e.DataExcerpt, &e.Rule, &e.VaultRequest, &e.Filled, &e.Quorum, &e.Approver,
	} {
		*text = bound(*text, boundText)
	}
	for _, text := range []*string{&e.Reason, &e.Error, &e.Note, &e.Comment, &e.Credential, &e.PublicKey} {
		*text = bound(*text, boundProse)
	}
	e.Call = bound(e.Call, boundCall)
	e.Explain = bound(e.Explain, boundWhy)
	switch {
	case e.Whole == nil:
	case e.Principal != given.Principal || e.Transport != given.Transport || e.Method != given.Method || e.ContentType != given.ContentType ||
		e.Vault != given.Vault || e.Key != given.Key || e.KeyVersion != given.KeyVersion:
		e.Whole = &Whole{Omitted: "a text of the entry, which is of the request, had to be cut"}
	default:
		e.Whole = e.Whole.bounded()
	}
	e.Hold = e.Hold.utc()
	if e.Checkpoint != nil {
		c := *e.Checkpoint
		c.Time = c.Time.UTC()
		c.Head, c.Key = bound(c.Head, boundName), bound(c.Key, boundName)
		c.Signature = bound(c.Signature, boundText)
		e.Checkpoint = &c
	}
	return e
}

// bound cuts a text to a number of bytes, between two characters.
func bound(text string, limit int) string {
	if plain(text) && len(text) <= limit {
		return text
	}
	long := len(text) > limit
	if long {
		text = text[:limit] // no more is looked at, however long it is
	}
	text = strings.Map(printable, text) // invalid bytes become U+FFFD, which is longer
	if !long && len(text) <= limit {
		return text
	}
	end := min(limit-len(mark), len(text))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// plain reports whether a text is ASCII. JSON escapes its control characters,
// but for the last.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// printable replaces the control characters that JSON leaves alone, and those
// that change the direction of writing.
func printable(r rune) rune {
	if r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
		return utf8.RuneError
	}
	return r
}
