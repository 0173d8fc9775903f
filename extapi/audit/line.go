package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A line is an entry's members as one JSON object, in the order of [Entry], and
// as its last member the hash: SHA-256 of the line's bytes before `,"hash"`.
// The hash of a line is the next one's prev.
const (
	lineStart  = `{"seq":`
	zeroLink   = `{"seq":0,"prev":"","time":"0001-01-01T00:00:00Z"`
	hashStart  = `,"hash":"`
	lineEnd    = `"}`
	usualLine  = 1 << 10
	hashDigits = 2 * sha256.Size
	hashLength = len(hashStart) + hashDigits + len(lineEnd)
)

// zeroHash is the prev of the first entry.
var zeroHash = strings.Repeat("0", hashDigits)

// link is a place in the chain: an entry's number and its hash.
type link struct {
	seq  uint64
	hash string
}

// beginning is what the first entry follows.
func beginning() link { return link{hash: zeroHash} }

// encodeBody returns what a line has between its place in the chain and its
// hash, so that callers do most of the encoding, and the writer little.
func encodeBody(e Entry) ([]byte, error) {
	if !e.Event.known() {
		return nil, fmt.Errorf("an audit entry needs a known event, not %q", e.Event)
	}
	if len(e.Proof) > MaxProof || strings.ContainsFunc(e.Proof, unprintable) {
		return nil, fmt.Errorf("an audit entry has a proof of %d bytes: want JSON text in printable ASCII, and at most %d", len(e.Proof), MaxProof)
	}
	if err := e.Hold.check(); err != nil {
		return nil, err
	}
	if err := e.Idempotency.check(); err != nil {
		return nil, err
	}
	if err := e.Before.Check(); err != nil {
		return nil, err
	}
	e = bounded(e)
	e.Seq, e.Prev, e.Time = 0, "", time.Time{}
	var buffer bytes.Buffer
	buffer.Grow(usualLine)
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding an audit entry: %w", err)
	}
	body, ok := bytes.CutPrefix(buffer.Bytes(), []byte(zeroLink))
	if !ok {
		return nil, errors.New("encoding an audit entry: its members are out of order")
	}
	return bytes.TrimSuffix(body, []byte("}\n")), nil
}

// appendLine appends an entry's line, with its newline, and returns its place.
func appendLine(dst []byte, last link, now time.Time, body []byte) ([]byte, link) {
	start := len(dst)
	seq := last.seq + 1
	dst = append(dst, lineStart...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"prev":"`...)
	dst = append(dst, last.hash...)
	dst = append(dst, `","time":"`...)
	dst = now.AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, '"')
	dst = append(dst, body...)
	sum := sha256.Sum256(dst[start:])
	hash := hex.EncodeToString(sum[:])
	dst = append(dst, hashStart...)
	dst = append(dst, hash...)
	dst = append(dst, lineEnd...)
	return append(dst, '\n'), link{seq: seq, hash: hash}
}

// decodeLine reads a line without its newline. It takes nothing but what
// appendLine writes, byte for byte.
func decodeLine(line []byte) (Entry, string, error) {
	if !bytes.HasPrefix(line, []byte(lineStart)) {
		return Entry{}, "", errors.New("this is no entry of a kvclef audit log")
	}
	covered := len(line) - hashLength
	if covered < 0 || !bytes.HasPrefix(line[covered:], []byte(hashStart)) || !bytes.HasSuffix(line, []byte(lineEnd)) {
		return Entry{}, "", errors.New("the entry does not end with its hash")
	}
	hash := string(line[covered+len(hashStart) : len(line)-len(lineEnd)])
	sum := sha256.Sum256(line[:covered])
	if is := hex.EncodeToString(sum[:]); is != hash {
		return Entry{}, "", fmt.Errorf("the entry was changed: its hash is given as %.64q, and is %s", hash, is)
	}
	var e Entry
	decoder := json.NewDecoder(bytes.NewReader(append(slices.Clip(line[:covered]), '}')))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return Entry{}, "", fmt.Errorf("the entry can't be read, though its hash is right; was it written by another version? %w", err)
	}
	if (e.Seq == 1) != (e.Prev == zeroHash) || e.Seq == 0 || !isHash(e.Prev) {
		return Entry{}, "", fmt.Errorf("entry %d can't follow %.64q", e.Seq, e.Prev)
	}
	body, err := encodeBody(e)
	if err != nil {
		return Entry{}, "", fmt.Errorf("the entry can't be read, though its hash is right; was it written by another version? %w", err)
	}
	again, _ := appendLine(make([]byte, 0, len(line)+1), link{seq: e.Seq - 1, hash: e.Prev}, e.Time.UTC(), body)
	if !bytes.Equal(again[:len(again)-1], line) {
		return Entry{}, "", errors.New("the entry is not spelled as kvclef writes it, though its hash is right")
	}
	return e, hash, nil
}

// isHash reports whether a text is a hash as lines hold it.
func isHash(text string) bool {
	return len(text) == hashDigits && strings.Trim(text, "0123456789abcdef") == ""
}
