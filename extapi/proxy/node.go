package proxy

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// node is where calls go that are not answered here.
type node interface {
	// ask sends calls that came one after another, together, and returns a reply to
	// each under its own id. What fails is a reply. Room is taken for the answers.
	ask(ctx context.Context, room *share, calls []message) []reply
	close()
}

// target is where a node listens.
type target struct {
	url     *url.URL    // nil for IPC; without credentials
	path    string      // of the IPC socket
	headers http.Header // with the credentials
}

// newTarget reads the address of a node, which is told the trail of a call that
// begins here. No error holds the address: it may hold a credential, in the query or
// path too.
func newTarget(address string, headers http.Header, trail string) (target, error) {
	if address == "" {
		return target{}, errNoNode
	}
	if !strings.Contains(address, "://") {
		if likeURL(address) {
			return target{}, fmt.Errorf("the node's address is a URL without ://, or no path: %w", errNoNode)
		}
		return target{path: address}, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return target{}, fmt.Errorf("the node's address is no URL: %w", errNoNode)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return target{}, fmt.Errorf("the node's address has scheme %q: %w", u.Scheme, errNoNode)
	}
	if err := checkHeaders(headers); err != nil {
		return target{}, err
	}
	headers = headers.Clone()
	if headers == nil {
		headers = make(http.Header)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		token := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		headers.Set("Authorization", "Basic "+token)
		u.User = nil
	}
	u.Fragment, u.RawFragment = "", ""
	if headers.Get("User-Agent") == "" {
		headers.Set("User-Agent", "kvclef")
	}
	headers.Set(trailHeader, trail)
	return target{url: u, headers: headers}, nil
}

// likeURL reports whether what is no URL was meant as one: as a path it would be
// logged, with the credentials in it.
func likeURL(address string) bool {
	before, after, found := strings.Cut(address, ":")
	if strings.Contains(address, "@") {
		return true
	}
	switch strings.ToLower(before) {
	case "http", "https", "ws", "wss":
		return found
	default:
		port, _, _ := strings.Cut(after, "/")
		_, err := strconv.ParseUint(port, 10, 16)
		return found && err == nil && !strings.ContainsAny(before, `/\`)
	}
}

// http reports whether the node takes calls by POST.
func (t target) http() bool {
	return t.url != nil && (t.url.Scheme == "http" || t.url.Scheme == "https")
}

// String names the node in the log: the path or query of its URL may be a
// credential.
func (t target) String() string {
	if t.url == nil {
		return t.path
	}
	return t.url.Scheme + "://" + t.url.Host
}

// failAll answers each call that waits with an error.
func failAll(calls []message, err *wireError) []reply {
	replies := make([]reply, len(calls))
	for i := range calls {
		replies[i].outcome = err.Outcome()
		if calls[i].id != nil {
			replies[i] = failed(calls[i].id, err)
		}
	}
	return replies
}

// sentOnly returns the replies to notifications that were sent.
func sentOnly(calls []message) []reply {
	replies := make([]reply, len(calls))
	for i := range replies {
		replies[i].outcome = OutcomeOK
	}
	return replies
}
