package proxy

import (
	"context"
	"log/slog"
	"maps"

	"github.com/kvclef/kvclef/extapi"
)

// named is an error of the proxy's own with the id of its request in its data, which the log
// knows it by. One whose data is of another kind is as it is: that of a method of the signer
// has its id, and a node's is the node's.
func (p *Proxy) named(ctx context.Context, err *wireError) *wireError {
	id := extapi.HTTPRequestID(ctx)
	data, ok := err.data.(map[string]any)
	if id == "" || err.data != nil && !ok {
		return err
	}
	told := *err
	named := map[string]any{"request": id}
	maps.Copy(named, data)
	told.data = named
	return &told
}

// refusal is an error about a message that came to no method, as its caller is told it. The
// log is told too.
func (p *Proxy) refusal(ctx context.Context, err *wireError) *wireError {
	p.log.DebugContext(ctx, "Answered with an error that no method made", slog.Int("code", err.code), slog.String("told", clipTo(err.text, 256)), extapi.RequestAttr(ctx))
	return p.named(ctx, err)
}
