package hosting

import (
	"crypto/rand"
	"regexp"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
	idSize  = 10 // characters, about 51 bits
)

var idForm = regexp.MustCompile(`^[a-z][a-z0-9]{9}$`)

// newID returns a random id: lower-case letters and digits, a letter first.
func newID() string {
	id := make([]byte, 0, idSize)
	id = append(id, pick(letters))
	for len(id) < idSize {
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
