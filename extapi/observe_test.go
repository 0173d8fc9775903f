package extapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// notebook is an observer that writes down what it is told.
type notebook struct {
	mu      sync.Mutex
	asked   []Asked
	steps   []Step
	endings []Ending
}

func (n *notebook) Begin(ctx context.Context, asked Asked) (context.Context, Observation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, asked)
	return ctx, n
}

func (n *notebook) Step(ctx context.Context, step Step) (context.Context, func(error)) {
	return ctx, func(error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.steps = append(n.steps, step)
	}
}

func (n *notebook) End(ending Ending) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endings = append(n.endings, ending)
}

// keptEntries is an auditor that keeps entries.
type keptEntries struct{ entries []audit.Entry }

func (k *keptEntries) Append(_ context.Context, entry audit.Entry) error {
	k.entries = append(k.entries, entry)
	return nil
}

// observed is an account with all that an operator looks at.
func observed(t *testing.T, change func(*Config)) (account *Account, notes *notebook, entries *keptEntries, log *bytes.Buffer) {
	t.Helper()
	notes, entries, log = &notebook{}, &keptEntries{}, &bytes.Buffer{}
	account, _ = newTestAccount(t, func(cfg *Config) {
		cfg.Observer, cfg.Auditor = notes, entries
		cfg.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if change != nil {
			change(cfg)
		}
	})
	return account, notes, entries, log
}

func TestARequestIsObservedOnce(t *testing.T) {
	t.Parallel()
	account, notes, entries, _ := observed(t, nil)
	if _, err := sign(t, inProcess(t, account), dynamicFee); err != nil {
		t.Fatal(err)
	}
	want := []Step{StepDecide, StepRecord, StepSign, StepSettle, StepRecord}
	if !slices.Equal(notes.steps, want) || len(notes.asked) != 1 || len(notes.endings) != 1 {
		t.Fatalf("asked %v, steps %v, endings %v; want the steps %v", notes.asked, notes.steps, notes.endings, want)
	}
	end, asked := notes.endings[0], notes.asked[0]
	if end.Verdict != rules.Approve || end.Code != 0 || end.Err != nil || !end.Judged || end.Kind != rules.KindTransaction || asked.Method != "account_signTransaction" {
		t.Errorf("asked %+v, ended %+v", asked, end)
	}
	for _, entry := range entries.entries {
		if entry.Request != asked.ID {
			t.Errorf("audit entry of %q, the request is %q", entry.Request, asked.ID)
		}
	}
}

// TestPartsOfARequestAreNotRequests: a method that checks before it signs is one
// request, whether the check or the signing refuses.
func TestPartsOfARequestAreNotRequests(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *Account) error{
		"typed data": func(ctx context.Context, a *Account) error {
			_, err := NewSignatory(a).SignTypedData(ctx, "eth_signTypedData_v4", common.Address{}, json.RawMessage(`{"no":1}`))
			return err
		},
		"typed data that is": func(ctx context.Context, a *Account) error {
			_, err := NewSignatory(a).SignTypedData(ctx, "eth_signTypedData_v4", common.Address{1}, json.RawMessage(
				`{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"A":[{"name":"b","type":"uint256"}]},"primaryType":"A","domain":{"name":"x"},"message":{"b":"1"}}`))
			return err
		},
		"password": func(ctx context.Context, a *Account) error {
			password := "x"
			_, err := personalAPI{NewSignatory(a)}.Sign(ctx, nil, common.Address{}, &password)
			return err
		},
		"text": func(ctx context.Context, a *Account) error {
			_, err := personalAPI{NewSignatory(a)}.Sign(ctx, []byte("x"), common.Address{1}, nil)
			return err
		},
	} {
		account, notes, entries, _ := observed(t, nil)
		if err := call(t.Context(), account); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(notes.asked) != 1 || len(notes.endings) != 1 || notes.endings[0].Code == 0 {
			t.Errorf("%s: asked %v, ended %v", name, notes.asked, notes.endings)
		}
		refusals := 0
		for _, entry := range entries.entries {
			if entry.Event == audit.EventRefused {
				refusals++
			}
			if entry.Request == "" || entry.Request != notes.asked[0].ID {
				t.Errorf("%s: entry of request %q", name, entry.Request)
			}
		}
		if judged := notes.endings[0].Judged; judged != (refusals == 0) || refusals > 1 {
			t.Errorf("%s: %d refusals, judged %t", name, refusals, judged)
		}
	}
}

// TestTheIDOfARequestIsEverywhere: the id that an internal error tells the caller
// finds the request in the log and in the audit log.
func TestTheIDOfARequestIsEverywhere(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"signer": func(cfg *Config) { cfg.Signer = panicker{newKeySigner(t)} },
		"vault": func(cfg *Config) {
			s := newKeySigner(t)
			s.fail = &failure{public: "disabled", sure: true}
			cfg.Signer = s
		},
		"unclear": func(cfg *Config) { s := newKeySigner(t); s.fail = errors.New("gone"); cfg.Signer = s },
	} {
		account, notes, entries, log := observed(t, change)
		_, err := sign(t, inProcess(t, account), dynamicFee)
		var data rpc.DataError
		if !errors.As(err, &data) {
			t.Fatalf("%s: %v has no data", name, err)
		}
		told, _ := data.ErrorData().(map[string]any)
		id, _ := told["request"].(string)
		if id == "" || id != notes.asked[0].ID {
			t.Errorf("%s: told %v, asked %v", name, told, notes.asked)
		}
		if code := notes.endings[0].Code; code != -32000 {
			t.Errorf("%s: ended with %d", name, code)
		}
		for _, entry := range entries.entries {
			if entry.Request != id {
				t.Errorf("%s: audit entry of %q", name, entry.Request)
			}
		}
		if !strings.Contains(log.String(), `"msg":"Method failed","request_id":"`+id+`"`) {
			t.Errorf("%s: the log has no line of %s:\n%s", name, id, log)
		}
	}
}

// TestTraceParentsOfStrangersAreNotKept: a trace goes on for those alone who have
// proven who they are.
func TestTraceParentsOfStrangersAreNotKept(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	http1 := rules.Caller{Transport: httpTransport}
	for name, c := range map[string]struct {
		ctx  func(context.Context) context.Context
		sent []string
		want string
	}{
		"nobody":        {func(ctx context.Context) context.Context { return ctx }, []string{parent}, ""},
		"anonymous":     {func(ctx context.Context) context.Context { return WithCaller(ctx, http1, Anonymous) }, []string{parent}, ""},
		"no principal":  {func(ctx context.Context) context.Context { return WithCaller(ctx, http1, "") }, []string{parent}, ""},
		"authenticated": {func(ctx context.Context) context.Context { return WithCaller(ctx, http1, "batcher") }, []string{parent}, parent},
		"two":           {func(ctx context.Context) context.Context { return WithCaller(ctx, http1, "batcher") }, []string{parent, parent}, ""},
		"long":          {func(ctx context.Context) context.Context { return WithCaller(ctx, http1, "batcher") }, []string{strings.Repeat("0", 129)}, ""},
	} {
		account, notes, _, _ := observed(t, nil)
		ctx := WithTraceParent(c.ctx(t.Context()), http.Header{"Traceparent": c.sent})
		_, _ = account.List(ctx)
		if got := notes.asked[0].TraceParent; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
