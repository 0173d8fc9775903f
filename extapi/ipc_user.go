package extapi

import (
	"strconv"
	"strings"
)

// userPrefix begins the principal of a user of the machine who has no other name.
const userPrefix = "uid:"

// UserName returns the principal of a user of the machine who has no other name,
// such as uid:1000.
func UserName(uid uint32) string { return userPrefix + strconv.FormatUint(uint64(uid), 10) }

// isUserName reports whether a name could be taken for a user's.
func isUserName(name string) bool {
	return len(name) >= len(userPrefix) && strings.EqualFold(name[:len(userPrefix)], userPrefix)
}
