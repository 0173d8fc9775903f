package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// logDecider logs when it is asked.
type logDecider struct {
	rules.NoRules
	log func(ctx context.Context, req *rules.Request)
}

func (d logDecider) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	d.log(ctx, req)
	return d.NoRules.Decide(ctx, req)
}

func TestEachLineOfARequestHasItsID(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, config.Log{Level: "debug", Format: format})
		var id string
		decider := logDecider{log: func(ctx context.Context, req *rules.Request) {
			id = req.ID
			log.InfoContext(ctx, "Bare")
			log.InfoContext(ctx, "Named", "request_id", req.ID)
			log.With("request_id", req.ID).InfoContext(ctx, "Known")
			log.With("vault", "a").InfoContext(ctx, "With")
			span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
			log.InfoContext(trace.ContextWithSpanContext(ctx, span), "Traced")
		}}
		account, err := extapi.NewAccount(extapi.Config{Decider: decider, Signer: keyringSigner{backend.NewKeyring(0)}, Auditor: noAudit{}, ChainIDs: bigIDs([]uint64{1}), Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = account.List(t.Context())
		log.InfoContext(t.Context(), "Of none")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for _, line := range lines[:len(lines)-1] {
			if n := strings.Count(line, id); id == "" || n != 1 {
				t.Errorf("%s: %q is %d times in %s", format, id, n, line)
			}
			if traced := strings.Contains(line, "trace_id"); traced != strings.Contains(line, "Traced") {
				t.Errorf("%s: %s", format, line)
			}
			if format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
		if last := lines[len(lines)-1]; len(lines) < 6 || strings.Contains(last, "request_id") {
			t.Errorf("%d lines, the last is %s", len(lines), last)
		}
		web := extapi.Numbered(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)).Context()
		log.InfoContext(web, "Over HTTP")
		if id := extapi.OriginID(web); id == "" || strings.Count(out.String(), id) != 1 {
			t.Errorf("%s: %q is not in %s", format, id, out.String())
		}
	}
}
