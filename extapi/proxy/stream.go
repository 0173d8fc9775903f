package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// headSize is how much of an answer is looked at before it is passed on. An
// answer that ends or breaks off within it is judged whole.
const headSize = 64 << 10

// buffers are for the heads of answers, and for copying the rest.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[headSize]byte {
	if head, ok := b.pool.Get().(*[headSize]byte); ok {
		return head
	}
	return new([headSize]byte)
}

func (b *buffers) put(head *[headSize]byte) { b.pool.Put(head) }

// fill reads until the end, which it reports, or until the buffer is full.
func fill(buffer []byte, from io.Reader) (head []byte, whole bool, err error) {
	n := 0
	for n < len(buffer) {
		more, err := from.Read(buffer[n:])
		n += more
		if errors.Is(err, io.EOF) {
			return buffer[:n], true, nil
		}
		if err != nil {
			return buffer[:n], false, err
		}
	}
	return buffer, false, nil
}

// stream passes a body to the node as it is, and the answer back.
func (p *Proxy) stream(ctx context.Context, control *http.ResponseController, w http.ResponseWriter, r *http.Request, node *httpNode, body []byte, calls []message, batch bool) {
	header := make(http.Header, 4)
	for _, name := range [...]string{"Accept-Encoding", "Content-Type"} {
		if values := r.Header[name]; values != nil {
			header[name] = values
		}
	}
	tally := p.tally(calls)
	x, fault := node.post(ctx, body, header)
	defer x.end()
	if fault != nil {
		tally.all(fault.Outcome())
		p.write(control, w, failCalls(calls, batch, p.refusal(ctx, fault)))
		return
	}
	buffer := p.buffers.get()
	defer p.buffers.put(buffer)
	head, whole, err := fill(buffer[:], x)
	if err != nil {
		node.failed(ctx, err)
		fault := x.fault(err, errNodeCut)
		tally.all(fault.Outcome())
		p.write(control, w, failCalls(calls, batch, p.refusal(ctx, fault)))
		return
	}
	if fault := judge(x.answer, head, whole, silent(calls)); fault != nil {
		tally.all(fault.Outcome())
		p.write(control, w, failCalls(calls, batch, p.refusal(ctx, fault)))
		return
	}
	encoding := x.answer.Header.Get("Content-Encoding")
	faults := tally.look(head, encoding)
	var walk walker
	looks := tally != nil && !whole && !batch && encoding == ""
	if looks {
		walk.feed(head)
	}
	passHead(w.Header(), x.answer, head, whole)
	deadline := func() { _ = control.SetWriteDeadline(time.Now().Add(p.cfg.WriteTimeout)) } // fails only on a closed connection
	deadline()
	w.WriteHeader(x.answer.StatusCode)
	_, err = w.Write(head)
	broken := OutcomeCanceled
	for !whole && err == nil {
		if head, whole, err = fill(buffer[:], x); err != nil {
			node.failed(ctx, err)
			broken = x.fault(err, errNodeCut).Outcome()
			break
		}
		deadline()
		_, err = w.Write(head)
		if looks {
			walk.feed(head)
		}
	}
	if err != nil {
		tally.all(broken)
		panic(http.ErrAbortHandler) // a part must not look like the whole
	}
	faults.all = faults.all || walk.fail
	tally.answered(faults)
}

// silent reports whether nobody waits for an answer.
func silent(calls []message) bool {
	for i := range calls {
		if !calls[i].notification() {
			return false
		}
	}
	return true
}

// judge refuses what is no answer of JSON-RPC, as far as the head shows. What
// is encoded is believed if it is said to be JSON.
func judge(answer *http.Response, head []byte, whole, unasked bool) *wireError {
	empty := whole && len(head) == 0
	var fit bool
	switch {
	case empty:
		fit = unasked
	case answer.Header.Get("Content-Encoding") != "":
		fit = saidJSON(answer)
	case whole:
		fit = likeJSON(head) && json.Valid(head)
	default:
		fit = likeJSON(head)
	}
	final := answer.StatusCode >= http.StatusOK && answer.StatusCode/100 != 3
	switch {
	case fit && final:
		return nil
	case success(answer):
		return errNodeGarbage
	default:
		return errNodeStatus(answer.StatusCode)
	}
}

// saidJSON reports whether the node says that its answer is JSON.
func saidJSON(answer *http.Response) bool {
	return strings.Contains(answer.Header.Get("Content-Type"), "json")
}

// passHead takes over what the node says of its answer, and no more: no
// cookies, no permissions for web pages, no pages.
func passHead(header http.Header, answer *http.Response, head []byte, whole bool) {
	header["Content-Type"] = []string{"application/json"}
	if saidJSON(answer) {
		header["Content-Type"] = answer.Header["Content-Type"]
	}
	for _, name := range [...]string{"Content-Encoding", "Content-Length", "Retry-After"} {
		if values := answer.Header[name]; values != nil {
			header[name] = values
		}
	}
	if whole {
		header["Content-Length"] = []string{strconv.Itoa(len(head))}
	}
	if encoding := answer.Header["Content-Encoding"]; encoding != nil {
		header.Add("Vary", "Accept-Encoding")
	}
}
