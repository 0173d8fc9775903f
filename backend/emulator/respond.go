package emulator

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

const levelRequest = slog.LevelDebug

func logRequest(r *http.Request, status int) []slog.Attr {
	return []slog.Attr{
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.URL.Path), slog.Int("status", status),
	}
}

// beforeAnswer lets the part of a fault happen that comes before everything
// else. It does not return when no answer is to be given.
func (s *Server) beforeAnswer(r *http.Request, fault *Fault) {
	if fault == nil {
		return
	}
	if !s.pause(r.Context(), fault.Delay) {
		panic(http.ErrAbortHandler)
	}
	if fault.is(FaultReset) {
		reset(r)
	}
}

// reset ends the TCP connection with RST, as a dying host or a firewall does.
// With HTTP/2 every other request on the connection loses its answer, too.
func reset(r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // best effort: the connection ends in any case
		_ = tcp.Close()
	}
	panic(http.ErrAbortHandler)
}

// write sends the answer, or what the fault leaves of it. A nil body is empty.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, body any, fault *Fault) {
	if fault.is(FaultLostReply) {
		reset(r)
	}
	var encoded []byte
	switch b := body.(type) {
	case nil:
	case string:
		encoded = []byte(b)
	default:
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		if err := e.Encode(body); err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelError, "encoding an answer", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
		encoded = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	}
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(encoded)))
	}
	w.WriteHeader(status)
	if fault.is(FaultTruncated) {
		_, _ = w.Write(encoded[:len(encoded)/2])  // the caller is meant to miss
		_ = http.NewResponseController(w).Flush() // what these would report
		panic(http.ErrAbortHandler)
	}
	if _, err := w.Write(encoded); err != nil && len(encoded) > 0 {
		s.log.LogAttrs(r.Context(), levelRequest, "writing an answer", slog.Any("error", err))
	}
}

// setRetryAfter sends whole seconds as the service does, and what is finer in
// the header that Azure's clients read first.
func setRetryAfter(h http.Header, d time.Duration) {
	if d <= 0 {
		return
	}
	seconds := (d + time.Second - 1) / time.Second
	h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	if d%time.Second != 0 {
		h.Set("retry-after-ms", strconv.FormatInt(max(1, d.Milliseconds()), 10))
	}
}

// commonHeaders are those that recordings of the services show.
func commonHeaders(h http.Header, f Flavor, requestID string) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Strict-Transport-Security", "max-age=31536000;includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("x-ms-request-id", requestID)
	h.Set("x-ms-keyvault-region", "local")
	h.Set("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;")
	if f == ManagedHSM {
		h["Date"] = nil // the service sends none
		return
	}
	h.Set("x-ms-keyvault-service-version", "1.9.1504.1")
	h.Set("x-ms-keyvault-rbac-assignment-id", "6b766b6579000000000000000000000001")
}

// randomID is 32 hexadecimal digits, as a key version has.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	return hex.EncodeToString(b[:])
}

// randomUUID is a version 4 UUID (RFC 9562).
func randomUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
