package relay

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/gorilla/websocket"
)

// maxBody bounds a request and an answer, in bytes.
const maxBody = 64 << 20

func (r *Relay) serve(w http.ResponseWriter, req *http.Request) {
	if websocket.IsWebSocketUpgrade(req) {
		r.serveSocket(w, req)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, "the request can't be read", http.StatusBadRequest)
		return
	}
	fault, faulty := r.fault(body)
	status, header, own := http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte(nil)
	if !faulty || !fault.Withheld {
		if status, header, own, err = r.ask(req, body); err != nil {
			http.Error(w, "the node does not answer", http.StatusBadGateway)
			return
		}
	}
	answer := own
	if faulty {
		answer = fault.answer(body, own)
		if fault.Answer != "" {
			status = max(fault.Status, http.StatusOK)
			header.Del("Content-Encoding")
		}
	}
	conn, _ := req.Context().Value(connKey{}).(net.Conn)
	switch fault.End {
	case Hangs:
		<-req.Context().Done()
		reset(conn)
	case Resets:
		reset(conn)
	case Cuts:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)+1))
		write(w, header, status, answer[:len(answer)/2])
		_ = conn.Close() // the caller sees what was written, and an end too early
	default:
		write(w, header, status, answer)
	}
}

// ask hands a request on to the node.
func (r *Relay) ask(req *http.Request, body []byte) (status int, header http.Header, answer []byte, err error) {
	asked, err := http.NewRequestWithContext(req.Context(), req.Method, r.node+req.URL.Path, bytes.NewReader(body)) //nolint:gosec // the caller is a test
	if err != nil {
		return 0, nil, nil, err
	}
	asked.Header = req.Header.Clone()
	response, err := r.client.Do(asked) //nolint:gosec // likewise
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	return response.StatusCode, response.Header, answer, err
}

func write(w http.ResponseWriter, header http.Header, status int, body []byte) {
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		if value := header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that hung up is none any more
	_ = http.NewResponseController(w).Flush()
}
