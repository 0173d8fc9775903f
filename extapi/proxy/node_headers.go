package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// checkHeaders refuses headers for the node that would end a header, say where the
// body ends or what becomes of the connection, or have net/http send a call again
// that may have been run. An error has no value of one: it may be a credential.
func checkHeaders(headers http.Header) error {
	for name, values := range headers {
		switch http.CanonicalHeaderKey(name) {
		case "Connection", "Content-Encoding", "Content-Length", "Expect", "Idempotency-Key", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Idempotency-Key":
			return fmt.Errorf("header %q can't be given for the node: it is for each request to say", name)
		}
		if !plainHeader(name) || strings.ContainsAny(name, " :") {
			return fmt.Errorf("header %q for the node is no name of a header", clip(name))
		}
		for _, value := range values {
			if !plainHeader(value) {
				return fmt.Errorf("header %q for the node has a control character", clip(name))
			}
		}
	}
	return nil
}
