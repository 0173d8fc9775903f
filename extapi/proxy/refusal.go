package proxy

import (
	"context"
	"log/slog"

	"github.com/kvclef/kvclef/extapi"
)

// data is that of an error which has room for the id of its request.
type data interface{ WithRequest(id string) any }

// withRequest is an error with the id of its request as data, which the log knows it by. One
// that has other data keeps it: of a method of the signer it has the id, and of a node it is the
// node's.
func withRequest(ctx context.Context, err *wireError) *wireError {
	id := extapi.OriginID(ctx)
	own, ok := err.data.(data)
	told := *err
	switch {
	case id == "":
	case ok:
		told.data = own.WithRequest(id)
	case err.data == nil && err.reason != "":
		told.data = map[string]string{"request": id, "reason": err.reason}
	case err.data == nil:
		told.data = map[string]string{"request": id}
	}
	return &told
}

// refusal is an error that no method made, and not the node, as its caller is told it. The log
// is told too.
func (p *Proxy) refusal(ctx context.Context, err *wireError, about ...slog.Attr) *wireError {
	if err == errHungUp {
		return err // nobody hears it
	}
	p.log.LogAttrs(ctx, slog.LevelDebug, "Answered with an error that no method made",
		append(about, slog.Int("code", err.code), slog.String("told", clipTo(err.text, 256)), extapi.RequestAttr(ctx))...)
	return withRequest(ctx, err)
}
