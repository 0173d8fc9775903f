package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// TestTicketLink: a link leads to the console wherever that is, also where the configuration
// does not say it.
func TestTicketLink(t *testing.T) {
	for _, one := range []struct {
		console config.Console
		want    string
	}{
		{config.Console{Enabled: true, Port: 8551}, "http://localhost:8551/tickets/se3k"},
		{config.Console{Enabled: true, Port: 443, URL: "https://approvals.example.com"}, "https://approvals.example.com/tickets/se3k"},
	} {
		if got := ticketLink(&one.console)("se3k"); got != one.want {
			t.Errorf("%q, want %q", got, one.want)
		}
	}
	if ticketLink(&config.Console{Port: 8551}) != nil {
		t.Error("there is a link without a console")
	}
}

// TestWebhookOfARequest has a signer tell of a ticket that a request opens.
func TestWebhookOfARequest(t *testing.T) {
	told := make(chan []byte, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Kvclef-Signature") == "" {
			t.Errorf("%v, %v", r.Header, err)
		}
		told <- body
	}))
	defer receiver.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secret": "hush\n",
		"config.yaml": fmt.Sprintf(`
approvals:
  people: {alice: {}}
  default: {of: [alice], wait: 0s}
  webhooks: [{url: %q, secret_file: %q}]
`, receiver.URL, filepath.Join(dir, "secret")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "kvclef.ipc")
	ctx, cancel := context.WithCancel(t.Context())
	out, printed := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"kvclef", "dev", "--http=false", "--config", filepath.Join(dir, "config.yaml"), "--datadir", data, "--ipcpath", socket}, strings.NewReader(""), printed, &stderr)
		_ = printed.Close() // ends the reader
	}()
	defer func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
	}()
	begun := make(chan struct{})
	go func() {
		line := make([]byte, 1)
		_, _ = out.Read(line) // it prints when it listens
		close(begun)
		_, _ = io.Copy(io.Discard, out)
	}()
	<-begun
	client, err := rpc.DialContext(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var accounts []common.Address
	if err := client.CallContext(t.Context(), &accounts, "account_list"); err != nil || len(accounts) != 1 {
		t.Fatalf("%v, %v", accounts, err)
	}
	err = client.CallContext(t.Context(), nil, "account_signData", "text/plain", accounts[0], "0x6869")
	if err == nil || !strings.HasPrefix(err.Error(), "request denied: ticket ") {
		t.Fatalf("%v", err)
	}
	select {
	case body := <-told:
		var got struct{ Event, Ticket, Kind, Quorum string }
		if err := json.Unmarshal(body, &got); err != nil || got.Event != "opened" || got.Kind != "text" || got.Quorum != "1 of approvals.default" || got.Ticket == "" {
			t.Errorf("told %s, %v", body, err)
		}
	case <-time.After(time.Minute):
		t.Error("nobody is told")
	}
}
