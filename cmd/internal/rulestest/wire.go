package rulestest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// answer is a JSON-RPC answer. One of its members is set.
type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// send puts a request to an account as its caller would, without a socket.
func send(ctx context.Context, account *extapi.Account, request Request, caller rules.Caller) (*answer, error) {
	frame, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      int             `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params,omitempty"`
	}{"2.0", 1, request.Method, request.Params})
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	server := rpc.NewServer()
	defer server.Stop()
	server.SetHTTPBodyLimit(2 * MaxFile)
	if err := extapi.Register(server, account, ""); err != nil {
		return nil, err
	}
	got := new(answer)
	if caller.Transport == "http" {
		err = sendHTTP(ctx, server, frame, caller, got)
	} else {
		err = sendIPC(ctx, server, frame, got)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return got, nil
}

func sendHTTP(ctx context.Context, server *rpc.Server, frame []byte, caller rules.Caller, got *answer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/", bytes.NewReader(frame))
	if err != nil {
		return err
	}
	request.RemoteAddr, request.Host = caller.Remote, caller.Local
	request.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {caller.UserAgent}, "Origin": {caller.Origin}}
	response := &response{header: make(http.Header), status: http.StatusOK}
	server.ServeHTTP(response, request)
	if response.status != http.StatusOK {
		return fmt.Errorf("HTTP %d: %s", response.status, response.body.Bytes())
	}
	return json.Unmarshal(response.body.Bytes(), got)
}

// response keeps what a handler answers.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(p []byte) (int, error) { return r.body.Write(p) }

func sendIPC(ctx context.Context, server *rpc.Server, frame []byte, got *answer) error {
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.ServeCodec(rpc.NewCodec(far), 0)
	}()
	stop := context.AfterFunc(ctx, func() { _ = near.Close() }) // ends the reading below
	defer func() {
		stop()
		_ = near.Close() // ends the serving
		<-served
	}()
	if _, err := near.Write(frame); err != nil {
		return err
	}
	return json.NewDecoder(near).Decode(got)
}
