package hosting

import (
	"crypto/rand"
	"regexp"
)

// IDSize is how many characters an id has, about 51 bits.
const IDSize = 10

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

var idForm = regexp.MustCompile(`^[a-z][a-z0-9]{9}$`)

// IsID reports whether a text can be an id.
func IsID(text string) bool { return idForm.MatchString(text) }

// newID returns a random id: lower-case letters and digits, a letter first.
func newID() string {
	id := make([]byte, 0, IDSize)
	id = append(id, pick(letters))
	for len(id) < IDSize {
		id = append(id, pick(letters+digits))
	}
	return string(id)
}

// pick returns one of the characters, each as likely as the others.
func pick(from string) byte {
	var b [1]byte
	for most := 256 - 256%len(from); ; {
		_, _ = rand.Read(b[:]) // it never fails
		if int(b[0]) < most {
			return from[int(b[0])%len(from)]
		}
	}
}
