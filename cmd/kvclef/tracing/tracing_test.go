package tracing

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/extapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"

// recorded is a tracing whose spans are kept here.
func recorded(t *testing.T, part float64) (*Tracing, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSampler(sampler(part)), sdk.WithSyncer(newQuiet(kept, slog.New(slog.DiscardHandler))))
	tracing := &Tracing{provider: provider, tracer: provider.Tracer("test"), log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { tracing.Close(context.WithoutCancel(t.Context())) })
	return tracing, kept
}

func ask(ctx context.Context, tracing *Tracing, parent string, fail error) {
	ctx, request := tracing.Begin(ctx, extapi.Asked{ID: "ID", Method: "account_list", TraceParent: parent})
	_, done := request.Step(ctx, extapi.StepDecide)
	done(fail)
	request.End(extapi.Ending{Err: fail})
}

func TestParents(t *testing.T) {
	t.Parallel()
	tracing, kept := recorded(t, 1)
	// What is in the context already, whoever put it there, is no parent.
	foreign := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{9}, SpanID: trace.SpanID{9}, TraceFlags: trace.FlagsSampled, Remote: true})
	for parent, want := range map[string]bool{
		header + "01": true, header + "00": true, "": false, "nonsense": false, header: false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false,
	} {
		kept.Reset()
		ask(trace.ContextWithSpanContext(t.Context(), foreign), tracing, parent, nil)
		spans := kept.GetSpans()
		if len(spans) != 2 {
			t.Fatalf("%q: %d spans", parent, len(spans))
		}
		decide, root := spans[0], spans[1]
		if got := root.SpanContext.TraceID().String() == header[3:35]; got != want || root.Parent.IsValid() != want {
			t.Errorf("%q: trace %v below %v", parent, root.SpanContext.TraceID(), root.Parent)
		}
		if decide.Parent.SpanID() != root.SpanContext.SpanID() || decide.SpanContext.TraceID() != root.SpanContext.TraceID() {
			t.Errorf("%q: decide is below %v", parent, decide.Parent)
		}
	}
}

// TestCallersDontChooseWhatIsRecorded: neither by the flag nor by the id.
func TestCallersDontChooseWhatIsRecorded(t *testing.T) {
	t.Parallel()
	const n = 4000
	for _, parent := range []string{"", header + "01", header + "00", "00-00000000000000000000000000000001-00f067aa0ba902b7-01"} {
		for _, part := range []float64{0, 0.25, 1} {
			tracing, kept := recorded(t, part)
			for range n {
				ask(t.Context(), tracing, parent, nil)
			}
			got, want := float64(len(kept.GetSpans()))/2, part*n
			if math.Abs(got-want) > 6*math.Sqrt(n*part*(1-part)) {
				t.Errorf("parent %q: %v of %d requests are recorded, want about %v", parent, got, n, want)
			}
		}
	}
}

func TestErrorsAreNotWorded(t *testing.T) {
	t.Parallel()
	tracing, kept := recorded(t, 1)
	ask(t.Context(), tracing, "", errors.New("hunter2"))
	_, end := tracing.Span(trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: 1})), "x")
	end(errors.New("hunter2"))
	for _, span := range kept.GetSpans() {
		if span.Status.Description != "" {
			t.Errorf("span %s says %q", span.Name, span.Status.Description)
		}
	}
}

func TestWhatIsOfNoRequestHasNoSpan(t *testing.T) {
	t.Parallel()
	tracing, kept := recorded(t, 1)
	_, end := tracing.Span(t.Context(), "hold")
	end(nil)
	var off *Tracing
	_, end = off.Span(t.Context(), "hold")
	end(nil)
	if n := len(kept.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://localhost:4318": "http://localhost:4318/v1/traces", "http://localhost:4318/": "http://localhost:4318/v1/traces",
		"https://otel.example/otlp/v1/traces": "https://otel.example/otlp/v1/traces",
	} {
		if got := endpoint(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
