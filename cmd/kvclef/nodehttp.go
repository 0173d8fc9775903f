package main

import (
	"errors"
	"io"
	"net/http"
)

// maxNodeAnswer bounds an answer of the node to kvclef itself, in bytes: fifty
// receipts are far fewer.
const maxNodeAnswer = 64 << 20

// nodeHTTP returns the client of a node over HTTP. It goes nowhere but to the node:
// whoever is behind a redirection would get the headers that the node is asked with,
// and its answers would count as the node's.
func nodeHTTP() *http.Client {
	return &http.Client{
		Transport:     boundedAnswers{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// boundedAnswers bounds what is read of an answer.
type boundedAnswers struct{ http.RoundTripper }

// RoundTrip asks.
func (b boundedAnswers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: maxNodeAnswer}
	return response, nil
}

// boundedBody ends with an error where an answer is too long.
type boundedBody struct {
	io.ReadCloser
	left int64
}

var errLongAnswer = errors.New("the node's answer is too long")

// Read reads what is left.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongAnswer
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
