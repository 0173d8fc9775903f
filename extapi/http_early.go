package extapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// lastWords is how long a caller may go on sending what nobody reads any more. One that is
// cut off while it sends may never see its answer.
const lastWords = time.Second

// Early returns what a handler is to answer a request with, so that the connection is given
// up when the answer begins before the body was read to its end. The server would wait for
// the rest, and whoever promises a body and sends none would keep a place that callers
// need, without having proved who it is. The answer goes out at once. Then the caller has
// a second to end, unless a new connection needs its place, see [Intake].
func Early(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	if r.ContentLength == 0 {
		return w, r
	}
	body := &promisedBody{ReadCloser: r.Body, left: r.ContentLength}
	known := r.WithContext(r.Context()) // the server's own keeps the body that it knows
	known.Body = body
	return &earlyWriter{ResponseWriter: w, body: body, dismissed: dismissedBy(r.Context())}, known
}

// promisedBody knows whether all of a body has been read.
type promisedBody struct {
	io.ReadCloser
	left int64 // less than 0: unknown
	over bool
}

// Read reads the caller's body.
func (b *promisedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if b.left == 0 || errors.Is(err, io.EOF) {
		b.over = true
	}
	return n, err
}

// earlyWriter gives a connection up if its body was not read.
type earlyWriter struct {
	http.ResponseWriter
	body      *promisedBody
	dismissed func()
	begun     bool
}

func (w *earlyWriter) begin() {
	if w.begun || w.body.over {
		return
	}
	w.begun = true
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(lastWords)) // fails only on a closed connection
	w.dismissed()
}

// WriteHeader begins the answer.
func (w *earlyWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes the answer.
func (w *earlyWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *earlyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
