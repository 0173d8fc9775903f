package approvals

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/rules/approval"
)

// Client asks a running signer about tickets.
type Client struct {
	admin *admin.Client
}

// Connect returns a client of the signer that answers on a socket.
func Connect(ctx context.Context, path string) (*Client, error) {
	client, err := admin.Connect(ctx, path)
	switch {
	case err == nil:
		return &Client{client}, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the user id %d may not use the socket for approvals %s: run it as the signer's user, or see approvals.socket_group", os.Geteuid(), path)
	case errors.Is(err, admin.ErrNotRunning):
		return nil, fmt.Errorf("no signer with approvals answers on %s: start it with people in approvals.people, or name its socket by --approvals.socket", path)
	default:
		return nil, err
	}
}

// List returns the newest tickets, those that wait for people alone if wanted.
func (c *Client) List(ctx context.Context, open bool, limit int) (*Listing, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if open {
		query.Set("state", string(approval.StateOpen))
	}
	listing := new(Listing)
	return listing, c.admin.Ask(ctx, http.MethodGet, pathTickets+"?"+query.Encode(), http.NoBody, listing)
}

// Shown is a ticket as it was shown, with what stands beside it.
type Shown struct {
	View   View
	Ticket *approval.Ticket
}

// Show returns a ticket. What it says is what its hash is of.
func (c *Client) Show(ctx context.Context, id string) (*Shown, error) {
	path, err := pathOf(id)
	if err != nil {
		return nil, err
	}
	shown := new(Shown)
	if err := c.admin.Ask(ctx, http.MethodGet, path, http.NoBody, &shown.View); err != nil {
		return nil, err
	}
	err = shown.open(id)
	return shown, err
}

// Vote votes on a ticket as it was shown.
func (c *Client) Vote(ctx context.Context, id string, vote Vote) (*Shown, error) {
	path, err := pathOf(id)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(vote)
	if err != nil {
		return nil, fmt.Errorf("encoding the vote: %w", err)
	}
	shown := new(Shown)
	if err := c.admin.Ask(ctx, http.MethodPost, path+"/vote", bytes.NewReader(body), &shown.View); err != nil {
		return nil, err
	}
	err = shown.open(id)
	return shown, err
}

// maxNotice bounds a line of a watch, in bytes.
const maxNotice = 64 << 10

// Watch calls a function for each notice, until it returns an error, the signer
// ends, or the context does.
func (c *Client) Watch(ctx context.Context, do func(Notice) error) error {
	body, err := c.admin.Stream(ctx, pathWatch)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was read
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxNotice)
	for lines.Scan() {
		var notice Notice
		if err := json.Unmarshal(lines.Bytes(), &notice); err != nil {
			return fmt.Errorf("reading what the running signer says: %w", err)
		}
		if err := do(notice); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading what the running signer says: %w", err)
	}
	return context.Cause(ctx)
}

// CheckID refuses a text that is no ticket's id, which is of letters and digits.
func CheckID(id string) error {
	if id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return fmt.Errorf("%q is not the id of a ticket, which is of 16 letters and digits such as abcdefgh234567ab", id)
	}
	return nil
}

// pathOf returns the path of a ticket.
func pathOf(id string) (string, error) { return pathTickets + "/" + id, CheckID(id) }

// open reads the text that people vote on. What does not have the hash, or says
// something that can't be shown, is not shown.
func (s *Shown) open(id string) error {
	v := &s.View
	hash := common.Hash(sha256.Sum256([]byte(v.Text)))
	if hash.Hex() != v.Hash {
		return fmt.Errorf("ticket %s: what the signer shows has the hash %s, and it says that it has %s: don't vote on it", id, hash, v.Hash)
	}
	t := &approval.Ticket{Text: []byte(v.Text), Hash: hash, State: v.State, Void: v.Void, Votes: v.Votes, Decided: v.Decided, UseBy: v.UseBy}
	if err := strictly(t.Text, &t.Content); err != nil {
		return fmt.Errorf("ticket %s has something that this kvclef can't show: use that of the signer: %w", id, err)
	}
	if err := strictly(t.Content.Subject, new(approval.Subject)); err != nil {
		return fmt.Errorf("ticket %s is about something that this kvclef can't show: use that of the signer: %w", id, err)
	}
	if t.Content.ID != id {
		return fmt.Errorf("the signer shows the ticket %q in the place of %s", t.Content.ID, id)
	}
	s.Ticket = t
	return nil
}

// strictly decodes one value that has no members that are not known.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows it")
	}
	return nil
}
