package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind uint8

// The kinds of fault. Those that say "done" carry the operation out and spoil
// only the answer; the others leave the vault untouched.
const (
	FaultUnauthorized      FaultKind = iota + 1 // 401 with the ordinary challenge although the token is live
	FaultForbiddenRBAC                          // 403 ForbiddenByRbac
	FaultForbiddenPolicy                        // 403 AccessDenied: no access policy
	FaultForbiddenFirewall                      // 403 ForbiddenByFirewall
	FaultForbiddenHTML                          // 403 with an HTML body, from what stands in front of the service
	FaultKeyDisabled                            // 403 KeyDisabled
	FaultNotFound                               // 404 KeyNotFound
	FaultConflict                               // 409 Conflict
	FaultThrottled                              // 429, with Retry-After when RetryAfter is set
	FaultServerError                            // 500
	FaultUnavailable                            // 503
	FaultSlow                                   // waits for Delay, then goes on as usual
	FaultReset                                  // the TCP connection is reset before anything is done
	FaultTruncated                              // done; the body ends in the middle
	FaultWrongKID                               // done; the answer names another key version
	FaultWrongSignature                         // signs with another key
	FaultWrongLength                            // done; the signature is one byte short
	FaultLostReply                              // done; the TCP connection is reset before the reply
	FaultBadChallenge                           // 401 with a challenge that naive clients panic on, token or not
	FaultForeignNextLink                        // the list goes on at ForeignHost
	FaultEmptyPage                              // an empty page whose nextLink leads to the page asked for
)

// Fault is something that goes wrong with requests of an operation.
type Fault struct {
	Op   Op     // "" is any operation on keys that the kind can happen to
	Key  string // the key's name; "" is any
	Kind FaultKind
	// Times is the number of requests it happens to; 0 goes on until it is removed.
	Times int
	// RetryAfter goes with FaultThrottled and FaultUnavailable, in whole
	// seconds rounded up; what is not a whole number of seconds is sent
	// exactly, too, in retry-after-ms.
	RetryAfter time.Duration
	// Delay is how long FaultSlow takes; with other kinds, how long the
	// request waits before the fault.
	Delay time.Duration
}

// matches tells whether the fault can happen to op. Without an Op it keeps to
// operations on keys; the one exception is the malformed challenge.
func (f *Fault) matches(op Op, key string) bool {
	if f.Key != "" && !strings.EqualFold(f.Key, key) {
		return false
	}
	if f.Op != "" && f.Op != op {
		return false
	}
	switch f.Kind {
	case FaultBadChallenge:
		return op.onKeys() || op == OpChallenge
	case FaultWrongSignature, FaultWrongLength:
		return op == OpSign
	case FaultWrongKID:
		return op == OpSign || op == OpGet || op == OpVerify
	case FaultForeignNextLink, FaultEmptyPage:
		return op == OpList || op == OpVersions || op == OpDeletedList
	}
	return f.Op != "" || op.onKeys()
}

// faults are the faults in force, in the order of their injection.
type faults struct {
	active atomic.Int32 // spares requests the lock while there are none
	mu     sync.Mutex
	list   []*liveFault
}

type liveFault struct {
	Fault
	left int // requests to go; negative: no end
}

// Inject puts a fault in force. When several match a request, the earliest
// injected happens. The result takes it out again, and may be called repeatedly.
func (s *Server) Inject(f Fault) (remove func()) {
	live := &liveFault{Fault: f, left: f.Times}
	if f.Times <= 0 {
		live.left = -1
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, live)
	s.faults.active.Add(1)
	return func() { s.faults.remove(live) }
}

func (fs *faults) remove(live *liveFault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.drop(live)
}

func (fs *faults) drop(live *liveFault) {
	for i, l := range fs.list {
		if l == live {
			fs.list = append(fs.list[:i:i], fs.list[i+1:]...)
			fs.active.Add(-1)
			return
		}
	}
}

// take returns the fault that happens to this request, nil for none.
func (fs *faults) take(op Op, key string) *Fault {
	if fs.active.Load() == 0 {
		return nil
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, l := range fs.list {
		if !l.matches(op, key) {
			continue
		}
		if l.left > 0 {
			if l.left--; l.left == 0 {
				fs.drop(l)
			}
		}
		f := l.Fault
		return &f
	}
	return nil
}

// is tells whether the fault is of kind; a nil fault is of none.
func (f *Fault) is(kind FaultKind) bool { return f != nil && f.Kind == kind }

// vaultFailure is the error answer that the fault puts in place of the
// operation, nil if it does something else.
func (f *Fault) vaultFailure(s *Server, c *call) *failure {
	if f == nil {
		return nil
	}
	answer := func(status int, code, message string) *failure {
		return &failure{status: status, code: code, message: message, retryAfter: f.RetryAfter}
	}
	switch f.Kind {
	case FaultUnauthorized:
		return s.unauthorized(c.target, "AKV10046: Unable to resolve the key used for signature validation.")
	case FaultBadChallenge:
		return s.malformedChallenge(c.target)
	case FaultForbiddenRBAC:
		return forbidden("ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\n"+
			"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n"+
			"Caller: appid=%s;oid=%s;iss=%s\r\nAction: 'Microsoft.KeyVault/vaults/keys/%s/action'\r\nVault: %s;location=local\r\n",
			s.opts.ClientID, s.opts.ClientID, s.tokens.issuer(), c.op, c.target.vault.name)
	case FaultForbiddenPolicy:
		return forbidden("AccessDenied", "The user, group or application 'appid=%s;oid=%s;iss=%s' does not have keys %s "+
			"permission on key vault '%s;location=local'.", s.opts.ClientID, s.opts.ClientID, s.tokens.issuer(), c.op, c.target.vault.name)
	case FaultForbiddenFirewall:
		return forbidden("ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\n"+
			"Client address: 127.0.0.1\r\nVault: %s;location=local", c.target.vault.name)
	case FaultForbiddenHTML:
		return &failure{
			status: http.StatusForbidden, code: "Forbidden",
			html: "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center></body></html>\r\n",
		}
	case FaultKeyDisabled:
		return keyDisabled(c.op)
	case FaultNotFound:
		return keyNotFound(c)
	case FaultConflict:
		return answer(http.StatusConflict, "Conflict", "There was a conflict with another operation on this key.")
	case FaultThrottled:
		return throttled(f.RetryAfter)
	case FaultServerError:
		return answer(http.StatusInternalServerError, "InternalServerError", "An internal error occurred.")
	case FaultUnavailable:
		return answer(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is temporarily unavailable.")
	}
	return nil
}

// entraFailure is the same for token and discovery requests.
func (f *Fault) entraFailure() *entraFailure {
	if f == nil {
		return nil
	}
	switch f.Kind {
	case FaultUnauthorized:
		return wrongSecret(DefaultClientID)
	case FaultForbiddenRBAC, FaultForbiddenPolicy, FaultForbiddenFirewall, FaultForbiddenHTML, FaultKeyDisabled:
		return entraError(http.StatusForbidden, "access_denied", 53003, "Access has been blocked by Conditional Access policies.")
	case FaultNotFound:
		return entraError(http.StatusNotFound, "invalid_request", 90023, "No such endpoint.")
	case FaultConflict:
		return entraError(http.StatusConflict, "invalid_request", 90023, "There was a conflict.")
	case FaultThrottled:
		e := entraError(http.StatusTooManyRequests, "temporarily_unavailable", 90055, "The server is too busy.")
		e.retryAfter = f.RetryAfter
		return e
	case FaultServerError:
		return entraError(http.StatusInternalServerError, "server_error", 90033, "A transient error has occurred.")
	case FaultUnavailable:
		e := entraError(http.StatusServiceUnavailable, "temporarily_unavailable", 90033, "A transient error has occurred.")
		e.retryAfter = f.RetryAfter
		return e
	}
	return nil
}

// String names the kind as its constant does.
func (k FaultKind) String() string {
	names := [...]string{
		"", "FaultUnauthorized", "FaultForbiddenRBAC", "FaultForbiddenPolicy", "FaultForbiddenFirewall", "FaultForbiddenHTML",
		"FaultKeyDisabled", "FaultNotFound", "FaultConflict", "FaultThrottled", "FaultServerError", "FaultUnavailable", "FaultSlow",
		"FaultReset", "FaultTruncated", "FaultWrongKID", "FaultWrongSignature", "FaultWrongLength", "FaultLostReply",
		"FaultBadChallenge", "FaultForeignNextLink", "FaultEmptyPage",
	}
	if int(k) < len(names) && k > 0 {
		return names[k]
	}
	return fmt.Sprintf("FaultKind(%d)", k)
}
