package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/kvclef/kvclef/rules"
)

// maxAnswer bounds an answer, such as a list of transactions, in bytes.
const maxAnswer = 256 << 20

// ErrNotRunning says that no signer answers on the socket.
var ErrNotRunning = errors.New("no signer is running on this data directory")

// Client asks a running signer.
type Client struct {
	http *http.Client
}

// Connect returns a client of the signer that answers on a socket.
// The error is [ErrNotRunning] if none does.
func Connect(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	_ = conn.Close() // it was only a question
	return &Client{http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: stepTimeout,
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
	}}}, nil
}

// Backup writes a copy of the store. With an error, what was written is none.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	response, err := c.do(ctx, http.MethodGet, pathBackup, http.NoBody)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // it was read to its end, or nobody cares
	n, err := io.Copy(w, response.Body)
	if err != nil {
		return n, fmt.Errorf("copying the store: %w", err)
	}
	return n, nil
}

// Attest keeps an attestation in the signer's store, for its next start.
func (c *Client) Attest(ctx context.Context, attestation rules.Attestation) error {
	body, err := json.Marshal(attestation)
	if err != nil {
		return fmt.Errorf("encoding the attestation: %w", err)
	}
	response, err := c.do(ctx, http.MethodPut, pathAttestation, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// ReloadPolicy has the signer read its policy again. It returns what the signer
// tells of it; after an error the policy before stays in force.
func (c *Client) ReloadPolicy(ctx context.Context) (told string, err error) {
	response, err := c.do(ctx, http.MethodPost, pathPolicy, http.NoBody)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	var got answer
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&got); err != nil {
		return "", fmt.Errorf("reading what the running signer says: %w", err)
	}
	return got.Told, nil
}

// Transactions asks for something below [PathTransactions], and decodes the answer.
func (c *Client) Transactions(ctx context.Context, method, path string, into any) error {
	return c.Ask(ctx, method, PathTransactions+path, http.NoBody, into)
}

// Ask sends a request to what is mounted, and decodes the answer; nil is for one
// without a body. A refusal is a [*RefusedError].
func (c *Client) Ask(ctx context.Context, method, path string, body io.Reader, into any) error {
	response, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("reading what the running signer says: %w", err)
	}
	return nil
}

// Stream sends a request whose answer has no end of its own. Whoever calls it closes
// the answer.
func (c *Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	response, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// RefusedError is what the running signer says when it does not do what it was
// asked for.
type RefusedError struct {
	Status int    // of HTTP, from 300
	Text   string // "": it gave none
}

// Error returns the signer's words.
func (e *RefusedError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("the running signer answers with %d %s", e.Status, http.StatusText(e.Status))
	}
	return "the running signer says: " + e.Text
}

// do sends a request. An answer from status 300 is an error with its words.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the running signer: %w", err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }() // it was an error already
	var refused failure
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(text, &refused)
	}
	if err != nil || refused.Error == "" {
		return nil, &RefusedError{Status: response.StatusCode}
	}
	return nil, &RefusedError{response.StatusCode, refused.Error}
}
