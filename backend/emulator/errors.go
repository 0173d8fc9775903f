package emulator

import (
	"fmt"
	"net/http"
	"time"
)

// failure is an error answer of a vault: {"error":{code,message,innererror}}.
type failure struct {
	status     int
	code       string
	message    string
	inner      string // innererror.code; "" leaves innererror out
	retryAfter time.Duration
	html       string // the whole body instead, for what stands in front of the service
	emptyOnHSM bool   // Managed HSM sends no body at all
	challenge  string // the WWW-Authenticate header
}

func (f *failure) Error() string { return fmt.Sprintf("%d %s: %s", f.status, f.code, f.message) }

func (f *failure) body() any {
	type inner struct {
		Code string `json:"code"`
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   *inner `json:"innererror,omitempty"`
	}
	d := detail{Code: f.code, Message: f.message}
	if f.inner != "" {
		d.Inner = &inner{f.inner}
	}
	return map[string]any{"error": d}
}

func badParameter(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: "BadParameter", message: fmt.Sprintf(format, args...)}
}

func forbidden(inner, format string, args ...any) *failure {
	return &failure{status: http.StatusForbidden, code: "Forbidden", inner: inner, message: fmt.Sprintf(format, args...)}
}

// keyNotFound has the words of each service, seen in recordings.
func keyNotFound(c *call) *failure {
	f := &failure{status: http.StatusNotFound, code: "KeyNotFound"}
	switch {
	case c.op == OpDeletedGet || c.op == OpRecover || c.op == OpPurge:
		f.message = "Deleted Key not found: " + c.name
	case c.target.vault.flavor == ManagedHSM:
		f.message = fmt.Sprintf("Key not found: %s (Activity ID: %s)", c.keyID(c.name, c.version), c.requestID)
	default:
		id := c.name
		if c.version != "" {
			id += "/" + c.version
		}
		f.message = fmt.Sprintf("A key with (name/id) %s was not found in this key vault. If you recently deleted this key "+
			"you may be able to recover it using the correct recovery command. For help resolving this issue, please see "+
			"https://go.microsoft.com/fwlink/?linkid=2125182", id)
	}
	return f
}

func keyDisabled(op Op) *failure {
	return forbidden("KeyDisabled", "Operation %s is not allowed on a disabled key.", op)
}

// deletedName answers a change to a name that soft delete still holds.
func deletedName(name string) *failure {
	return &failure{
		status: http.StatusConflict, code: "Conflict", inner: "ObjectIsDeletedButRecoverable",
		message: fmt.Sprintf("Key %s is currently in a deleted but recoverable state, and its name cannot be reused; "+
			"in this state, the key can only be recovered or purged.", name),
	}
}
