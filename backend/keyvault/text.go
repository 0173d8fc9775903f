package keyvault

import (
	"net/http"
	"strings"
)

// maxRequestID bounds a request id; real ones are UUIDs, 36 bytes.
const maxRequestID = 64

// requestID returns what the vault calls the request that it answered, fit for
// logs and records: visible ASCII, with "?" for anything else.
func requestID(answer http.Header) string {
	id := answer.Get("X-Ms-Request-Id")
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, id[:min(len(id), maxRequestID)])
}

// oneLine makes a text from the outside fit for a log line: no line breaks, at
// most 1024 bytes.
func oneLine(s string) string {
	if len(s) > 1024 {
		s = s[:1024]
	}
	return strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
}

// printable makes a value from the outside fit for a part of an error.
func printable(s string) string {
	if s = oneLine(s); len(s) > 128 {
		s = strings.ToValidUTF8(s[:128], "") + "…"
	}
	return s
}
