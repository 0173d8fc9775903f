package extapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/extapi/unixpeer"
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

// Users says who the users of the machine are.
type Users struct {
	// Names are principals, by the users' ids. Others are called as [UserName] has it.
	Names map[uint32]string

	// OnlyKnown refuses others.
	OnlyKnown bool
}

// Principal returns who a user is, "" for one who is refused.
func (u *Users) Principal(uid uint32) string {
	if name := u.Names[uid]; name != "" || u.OnlyKnown {
		return name
	}
	return UserName(uid)
}

// CheckUserName refuses a name that a user of the machine can't be given.
func CheckUserName(name string) error {
	if name == Local { // rules may have it already
		return nil
	}
	return checkName("configuration", name)
}

func (c ServerConfig) checkUsers() error {
	switch {
	case c.IPCPath == "":
		return nil
	case c.Users == nil && c.IPCGroup != "":
		return errors.New("a group may use the IPC socket, and its members are not told apart: give Users")
	case c.Users == nil:
		return nil
	case !unixpeer.Supported:
		return fmt.Errorf("listeners.ipc: %w: remove principals, only_known and socket_group", unixpeer.ErrUnsupported)
	}
	for uid, name := range c.Users.Names {
		if err := CheckUserName(name); err != nil {
			return fmt.Errorf("listeners.ipc.principals.%d: %w", uid, err)
		}
	}
	return nil
}

// identify returns who has connected to the socket; false for one who is refused.
func (s *ipcServer) identify(conn net.Conn) (uid uint32, principal string, ok bool) {
	if s.cfg.Users == nil {
		return 0, Local, true
	}
	uid, err := unixpeer.Of(conn)
	if err != nil {
		s.refused.add(refusedConnection, slog.String("transport", "ipc"), slog.String("reason", clipTo(err.Error(), 256)))
		return 0, "", false
	}
	if principal = s.cfg.Users.Principal(uid); principal == "" {
		s.refused.add(refusedConnection, slog.String("transport", "ipc"), slog.String("reason", "the user is not one of listeners.ipc.principals"), slog.Uint64("uid", uint64(uid)))
		return 0, "", false
	}
	return uid, principal, true
}
