package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"

	"github.com/kvclef/kvclef/extapi"
)

// A call carries with it the proxies that it came by, so that one whose node is
// itself, or leads back to it, notices at the first call. Without that the call
// would go round until it has taken every connection.
const (
	trailHeader = "Kvclef-Trail"
	maxTrail    = 256 // bytes, of about 14 proxies
)

// newTrail returns the name of a proxy in trails, which is another at each start.
func newTrail() string {
	var name [8]byte
	_, _ = rand.Read(name[:]) // never fails
	return hex.EncodeToString(name[:])
}

// follow returns the trail of a request and this proxy, "" for one that begins here.
// False: it has been here, or was at too many.
func (p *Proxy) follow(r *http.Request) (trail string, ok bool) {
	values := r.Header[trailHeader]
	if len(values) == 0 {
		return "", true
	}
	before := strings.Join(values, ", ")
	if len(before) > maxTrail || !plainHeader(before) || strings.Contains(before, p.trail) {
		p.refused("loop: the node's address leads back to this proxy", slog.String("trail", clip(before)), extapi.RequestAttr(r.Context()))
		return "", false
	}
	return before + ", " + p.trail, true
}

// trailKey is the context's key of a trail.
type trailKey struct{}

// withTrail returns a context that knows the trail of a request.
func withTrail(ctx context.Context, trail string) context.Context {
	if trail == "" {
		return ctx
	}
	return context.WithValue(ctx, trailKey{}, trail)
}

// trailOf returns the trail of a request, "" for one that begins here: then the
// headers for the node have it.
func trailOf(ctx context.Context) string {
	trail, _ := ctx.Value(trailKey{}).(string)
	return trail
}
