package clefjs

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// broken is a storage whose transactions fail at one operation.
type broken struct {
	*memory.Storage
	at string
}

type brokenTx struct {
	rules.StorageTx
	at string
}

var errDisk = errors.New("the disk is full")

func (b broken) Begin(ctx context.Context) (rules.StorageTx, error) {
	if b.at == "begin" {
		return nil, errDisk
	}
	tx, err := b.Storage.Begin(ctx)
	return brokenTx{tx, b.at}, err
}

func (b brokenTx) Get(key string) (string, error) {
	if b.at == "get" {
		return "", errDisk
	}
	return b.StorageTx.Get(key)
}

func (b brokenTx) Put(key, value string) error {
	if b.at == "put" {
		return errDisk
	}
	return b.StorageTx.Put(key, value)
}

func (b brokenTx) Flush(ctx context.Context) error {
	if b.at == "flush" {
		return errDisk
	}
	return b.StorageTx.Flush(ctx)
}

func (b brokenTx) Commit(ctx context.Context) error {
	if b.at == "commit" {
		b.Rollback()
		return errDisk
	}
	return b.StorageTx.Commit(ctx)
}

// free fails the test unless the storage's turn can be had.
func free(t testing.TB, store rules.Storage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	tx, err := store.Begin(ctx)
	if err != nil {
		t.Fatal("the storage is not free: ", err)
	}
	tx.Rollback()
}

// TestStorageIsClefs covers what get and put make of their arguments.
func TestStorageIsClefs(t *testing.T) {
	store := memory.New(map[string]string{"old": "1", "gone": "1"})
	r := load(t, `function ApproveSignData() {
		var got = [storage.get("old"), storage.get("missing"), storage.get(""), storage.get(), storage.put("a", 1), storage.put("", "x")]
		storage.put("b"); storage.put("c", {}); storage.put("gone", ""); storage.put(5, null)
		got.push(storage.get("a"), storage.get("b"), storage.get("gone"))
		storage.put("got", JSON.stringify(got))
		return "Approve"
	}`, Options{Storage: store})
	if decision, _ := keep(t, r, message("x")); decision.Verdict != rules.Approve {
		t.Fatalf("got %+v", decision)
	}
	kept := store.Snapshot()
	if got := kept["got"]; got != `["1","","","",null,null,"1","undefined",""]` {
		t.Errorf("got %s", got)
	}
	if _, ok := kept["gone"]; ok || len(kept) != 6 || kept["c"] != "[object Object]" || kept["5"] != "null" || kept["b"] != "undefined" {
		t.Errorf("kept %v", kept)
	}
	free(t, store)
}

// TestWritesNeedADecision: what a call wrote is kept if it decided, and that
// was kept.
func TestWritesNeedADecision(t *testing.T) {
	for result, want := range map[string]string{
		`return "Approve"`: "new", `return "Reject"`: "new", `return "Other"`: "old", ``: "old", `throw 1`: "old", `for (;;) {}`: "old",
	} {
		store := memory.New(map[string]string{"k": "old"})
		r := load(t, `function ApproveTx() { storage.put("k", "new"); `+result+` }`, Options{Storage: store, Timeout: 100 * time.Millisecond})
		req := transfer(1, big.NewInt(1), nil)
		judge(t, r, req)
		if got := store.Snapshot()["k"]; got != "old" {
			t.Errorf("%s, dropped: got %s", result, got)
		}
		keep(t, r, req)
		if got := store.Snapshot()["k"]; got != want {
			t.Errorf("%s, kept: got %s", result, got)
		}
		free(t, store)
	}
}

// TestSwallowedFailuresRefuse: a script that catches what the storage throws
// decides nothing.
func TestSwallowedFailuresRefuse(t *testing.T) {
	req := transfer(1, big.NewInt(1), nil)
	for _, at := range []string{"begin", "get", "put"} {
		store := broken{memory.New(nil), at}
		for _, source := range []string{
			`function ApproveTx() { try { storage.get("a"); storage.put("a", 1) } catch (e) {}; return "Approve" }`,
			`function ApproveTx() { storage.get("a"); storage.put("a", 1); return "Approve" }`,
		} {
			decision, hold, err := load(t, source, Options{Storage: store}).Evaluate(t.Context(), req)
			if !errors.Is(err, errDisk) || hold != nil || decision.Verdict != rules.Undecided {
				t.Errorf("%s: got %+v, %v", at, decision, err)
			}
			free(t, store.Storage)
		}
	}
	r := load(t, `function ApproveTx() { try { storage.put("a", "x".repeat(2e6)) } catch (e) { seen = e }; return "Approve" }`, Options{Storage: memory.New(nil)})
	if _, hold, err := r.Evaluate(t.Context(), req); err == nil || hold != nil || !strings.Contains(err.Error(), "2000000 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestFailureToKeep: neither a flush nor a commit that fails keeps the storage.
func TestFailureToKeep(t *testing.T) {
	for at, source := range map[string]string{
		"flush":  `function ApproveTx() { return "Approve" }; function OnApprovedTx() {}`,
		"commit": `function ApproveTx() { storage.put("a", 1); return "Approve" }`,
	} {
		store := broken{memory.New(nil), at}
		_, hold, err := load(t, source, Options{Storage: store}).Evaluate(t.Context(), transfer(1, big.NewInt(1), nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := hold.Keep(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("%s: got %v", at, err)
		}
		free(t, store.Storage)
	}
}

// TestDeviation6FailingOnApprovedTxWithholds: Clef logs the failure and gives
// the signature out.
func TestDeviation6FailingOnApprovedTxWithholds(t *testing.T) {
	for name, script := range map[string]string{
		"throws":  `storage.put("n", "2"); throw new Error("no")`,
		"loops":   `storage.put("n", "2"); for (;;) {}`,
		"rejects": `storage.put("n", "2"); return Promise.reject(new Error("no"))`,
		"swallow": `try { storage.put("n", "x".repeat(2e6)) } catch (e) {}`,
	} {
		store := memory.New(nil)
		r := load(t, `function ApproveTx() { storage.put("n", "1"); return "Approve" }
			function OnApprovedTx() { `+script+` }`, Options{Storage: store, Timeout: 100 * time.Millisecond})
		req := transfer(1, big.NewInt(1), nil)
		_, hold := keep(t, r, req)
		if err := hold.Settle(t.Context(), req, sign(t, req)); err == nil || !strings.Contains(err.Error(), "OnApprovedTx") {
			t.Errorf("%s: got %v", name, err)
		}
		// What ApproveTx wrote goes on counting.
		if got := store.Snapshot()["n"]; got != "1" {
			t.Errorf("%s: kept %q", name, got)
		}
		free(t, store)
	}
}

// TestOutcomesEndTheSection covers what is not signed, and referrals that
// people approve.
func TestOutcomesEndTheSection(t *testing.T) {
	store := memory.New(nil)
	r := load(t, `function ApproveTx() { storage.put("approved", "1"); return "Approve" }
		function OnApprovedTx() { storage.put("signed", "1") }`, Options{Storage: store, WaitTimeout: 20 * time.Millisecond})
	req := transfer(1, big.NewInt(1), nil)
	for _, outcome := range []rules.Outcome{rules.NotSigned, rules.Unknown} {
		_, hold := keep(t, r, req)
		if err := hold.Settle(t.Context(), req, rules.Result{Outcome: outcome}); err != nil {
			t.Fatal(err)
		}
		free(t, store)
	}
	if kept := store.Snapshot(); kept["approved"] != "1" || kept["signed"] != "" {
		t.Fatalf("kept %v", kept)
	}
	hold, err := r.Resume(t.Context(), req, rules.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Settle(t.Context(), req, sign(t, req)); err != nil {
		t.Fatal(err)
	}
	if kept := store.Snapshot(); kept["signed"] != "1" {
		t.Fatalf("kept %v", kept)
	}
	if hold, err := r.Resume(t.Context(), message("x"), rules.Decision{}); hold != nil || err != nil {
		t.Fatalf("got %v, %v", hold, err)
	}
	free(t, store)
}

// TestWhatWasReadMustBeDurable: what a section only read is durable before a signature
// leaves, also if OnApprovedTx writes nothing.
func TestWhatWasReadMustBeDurable(t *testing.T) {
	store := broken{memory.New(nil), "commit"}
	r := load(t, `function ApproveTx() { storage.get("n"); return "Approve" }
		function OnApprovedTx() {}`, Options{Storage: store})
	req := transfer(1, big.NewInt(1), nil)
	_, hold := keep(t, r, req)
	if err := hold.Settle(t.Context(), req, sign(t, req)); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	free(t, store.Storage)
}

// TestBusy: a section that is never settled refuses the others, and can be
// told from other errors.
func TestBusy(t *testing.T) {
	store := memory.New(nil)
	options := Options{Storage: store, WaitTimeout: 30 * time.Millisecond, Timeout: 20 * time.Millisecond}
	section := load(t, `function ApproveTx() { return "Approve" }; function OnApprovedTx() {}`, options)
	lazy := load(t, `function ApproveTx() { try { storage.get("a") } catch (e) {}; return "Approve" }`, options)
	req := transfer(1, big.NewInt(1), nil)
	_, hold := keep(t, section, req)
	for _, r := range []*Ruleset{section, lazy} {
		_, _, err := r.Evaluate(t.Context(), req)
		var busy interface {
			RetryAfter() time.Duration
			Public() string
		}
		if !errors.As(err, &busy) || busy.RetryAfter() <= 0 || busy.Public() != "busy" {
			t.Fatalf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := r.Evaluate(ctx, req); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	if err := hold.Settle(t.Context(), req, rules.Result{Outcome: rules.NotSigned}); err != nil {
		t.Fatal(err)
	}
	free(t, store)
}

// TestWaitingDoesNotCount: time at the storage's queue is not the script's.
func TestWaitingDoesNotCount(t *testing.T) {
	store := memory.New(nil)
	r := load(t, `function ApproveTx() { storage.get("a"); return "Approve" }`, Options{Storage: store, Timeout: 50 * time.Millisecond})
	tx, err := store.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(200*time.Millisecond, tx.Rollback)
	defer timer.Stop()
	if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Approve {
		t.Fatalf("got %+v", decision)
	}
}

// TestCancelledCallsEnd: a script ends with the request that it judges.
func TestCancelledCallsEnd(t *testing.T) {
	var running atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	r := load(t, `function ApproveTx() { console.log("on"); for (;;) { var a = 1 } }`, Options{
		Timeout: MaxTimeout,
		Console: func(string, string) { running.Store(true); cancel() },
	})
	if _, _, err := r.Evaluate(ctx, transfer(1, big.NewInt(1), nil)); !errors.Is(err, context.Canceled) || !running.Load() {
		t.Fatalf("got %v", err)
	}
}

// TestTopLevelsThatReadTheStorage run inside each call, and see what the calls
// before wrote.
func TestTopLevelsThatReadTheStorage(t *testing.T) {
	for _, top := range []string{`var n = storage.get("n")`, `var n = Date.now() && storage.get("n")`, `var n; if (new Date(0) && Math.random() > 0.5) n = storage.get("n"); n = storage.get("n")`} {
		store := memory.New(nil)
		r := load(t, top+`
			function ApproveTx() { storage.put("n", +n + 1); return "Approve" }`, Options{Storage: store})
		for range 20 {
			keep(t, r, transfer(1, big.NewInt(1), nil))
		}
		if got := store.Snapshot()["n"]; got != "20" {
			t.Errorf("%s: got %s", top, got)
		}
	}
	// A top level that uses the storage only now and then.
	store := memory.New(nil)
	r := load(t, `var n = Math.random() > 0.5 ? storage.get("n") : null
		function ApproveTx() { storage.put("n", +(n === null ? storage.get("n") : n) + 1); return "Approve" }`, Options{Storage: store})
	for range 50 {
		keep(t, r, transfer(1, big.NewInt(1), nil))
	}
	if got := store.Snapshot()["n"]; got != "50" {
		t.Errorf("got %s", got)
	}
}

// TestStart covers OnSignerStartup.
func TestStart(t *testing.T) {
	store := memory.New(nil)
	r := load(t, `function OnSignerStartup(i) { storage.put("info", JSON.stringify(i)) }`, Options{Storage: store})
	if err := r.Start(t.Context(), Info{IPC: "/run/kvclef.ipc", Version: "6.1.0"}); err != nil {
		t.Fatal(err)
	}
	want := `{"info":{"extapi_http":"n/a","extapi_ipc":"/run/kvclef.ipc","extapi_version":"6.1.0","intapi_version":"7.0.1"}}`
	if got := store.Snapshot()["info"]; got != want {
		t.Fatalf("got %s", got)
	}
	bad := load(t, "function OnSignerStartup(i) {\n storage.put(\"info\", \"\"); throw 1 }", Options{Storage: store})
	if err := bad.Start(t.Context(), Info{}); err == nil || !strings.Contains(err.Error(), "rules.js:2:") {
		t.Fatalf("got %v", err)
	}
	if store.Snapshot()["info"] != want {
		t.Fatal("a failed start was kept")
	}
	free(t, store)
}
