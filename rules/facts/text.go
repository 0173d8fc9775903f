package facts

import (
	"bytes"
	"strconv"

	"github.com/kvclef/kvclef/rules"
)

// textPrefix begins what is signed of a personal message (EIP-191, version
// 0x45). The length in decimal follows it.
const textPrefix = "\x19Ethereum Signed Message:\n"

// textOf returns a personal message; nil if the request has none.
func textOf(req *rules.Request) *Text {
	rest, ok := bytes.CutPrefix(req.Preimage, []byte(textPrefix))
	if !ok {
		return nil
	}
	// Only one number of digits is right: that of the length of what follows them.
	for digits := 1; digits <= min(len(rest), 20); digits++ {
		if text := rest[digits:]; strconv.Itoa(len(text)) == string(rest[:digits]) {
			return &Text{Bytes: text, SIWE: parseSIWE(string(text))}
		}
	}
	return nil
}
