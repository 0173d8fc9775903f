package keyvault

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// fault is what an error answer of the vault says.
type fault struct {
	status    int
	code      string // error.code or the x-ms-error-code header
	inner     string // error.innererror.code
	message   string // error.message: for the log, and to tell apart what has no code
	requestID string
	after     time.Duration // how long the vault asks to wait; 0: it does not say
	challenge bool          // it asks for a token, as the service does with 401; a Managed HSM says nothing else
}

// newFault reads the vault's answer from the SDK's error, whose own text is a
// dump over many lines.
func newFault(err *azcore.ResponseError) fault {
	f := fault{status: err.StatusCode, code: err.ErrorCode}
	if err.RawResponse == nil {
		return f
	}
	f.after = retryAfter(err.RawResponse)
	f.requestID = requestID(err.RawResponse.Header)
	f.challenge = strings.HasPrefix(err.RawResponse.Header.Get("WWW-Authenticate"), "Bearer ")
	if body, err := runtime.Payload(err.RawResponse); err == nil {
		parsed := parseFault(body)
		f.inner, f.message = parsed.inner, parsed.message
		if f.code == "" {
			f.code = parsed.code
		}
	}
	f.code = printable(f.code)
	return f
}

// parseFault reads {"error":{"code","message","innererror":{"code"}}}; some
// answers spell it innerError. Anything else, such as a gateway's HTML page,
// gives an empty fault.
func parseFault(body []byte) fault {
	var answer struct {
		Error struct {
			Code       string `json:"code"`
			Message    string `json:"message"`
			InnerError struct {
				Code string `json:"code"`
			} `json:"innererror"` // encoding/json matches names in any case
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return fault{}
	}
	return fault{
		code:    oneLine(answer.Error.Code),
		inner:   oneLine(answer.Error.InnerError.Code),
		message: oneLine(answer.Error.Message),
	}
}

// refuses reports whether it is certain that the service did not do the request:
// by one of the statuses with which it says so, and in its own words. Anything else
// may come from what stands in between, which may have passed the request on.
func (f fault) refuses() bool {
	switch f.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests:
		return f.code != ""
	case http.StatusUnauthorized:
		return f.code != "" || f.challenge
	}
	return false
}

// mentions reports whether the message holds one of the words.
func (f fault) mentions(words ...string) bool {
	message := strings.ToLower(f.message)
	for _, word := range words {
		if strings.Contains(message, word) {
			return true
		}
	}
	return false
}

// describe is the fault in a few words, for messages about codes that have no
// words of their own.
func (f fault) describe() string {
	parts := []string{http.StatusText(f.status)}
	if f.code != "" && f.code != parts[0] {
		parts = append(parts, f.code)
	}
	if f.inner != "" {
		parts = append(parts, f.inner)
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// asFault returns the vault's answer if err holds one.
func asFault(err error) (answer fault, ok bool) {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return fault{}, false
	}
	return newFault(response), true
}

// gone reports whether the vault itself has said that a key is not there. A 404
// without a code may come from anything that stands in front of it.
func gone(err error) bool {
	answer, answered := asFault(err)
	return answered && answer.status == http.StatusNotFound && answer.code != ""
}
