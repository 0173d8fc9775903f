package main

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun runs the benchmark with windows that are too short to say anything:
// with Clef where it is built, else with kvclef alone.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts kvclef")
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads Linux's /proc")
	}
	dir := t.TempDir()
	o := options{
		kvclef: filepath.Join(dir, "kvclef"), clef: "../../../.ci/tools/bin/clef", json: filepath.Join(dir, "report.json"),
		rounds: 2, window: 100 * time.Millisecond, callers: []int{1, 4}, transports: []string{"ipc", "http"}, offered: []int{50},
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", o.kvclef, "../../kvclef").CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, out)
	}
	running := []string{kvclefAfter, kvclefBefore, kvclefPolicy}
	ratios := 0
	if _, err := os.Stat(o.clef); err != nil {
		t.Log("Clef is not built (make .ci/tools/bin/clef): kvclef alone")
		o.clef = ""
	} else {
		running, ratios = append(running, clefLight, clefFree, clefFreeBefore), len(pairs())*len(o.callers)*len(o.transports)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, o); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	text, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	closed := len(running) * len(o.callers) * len(o.transports)
	if open := 3 * len(o.offered); len(r.Windows) != o.rounds*(closed+open) || len(r.Cells) != closed+open || len(r.Ratios) != ratios {
		t.Errorf("%d windows, %d medians, %d ratios", len(r.Windows), len(r.Cells), len(r.Ratios))
	}
	for _, w := range r.Windows {
		if w.Requests < 1 || w.PerSecond <= 0 || w.P50 <= 0 || w.P99 < w.P50 || w.CPU < 0 || w.Peak < 1 {
			t.Errorf("window %+v", w)
		}
		if kvclef := strings.HasPrefix(w.Contender, "kvclef"); w.Own > w.P99 || (w.Own > 0) != kvclef || (w.OwnP50 > 0) != kvclef || w.OwnP99 < w.OwnP50 {
			t.Errorf("%s has %v ms of its own in a window with a p99 of %v", w.Contender, w.Own, w.P99)
		}
	}
	if len(r.Totals) != len(running) {
		t.Errorf("totals of %d, want %d", len(r.Totals), len(running))
	}
	for _, total := range r.Totals {
		counted, err := strconv.ParseUint(total.Total, 10, 64)
		exact := strings.HasPrefix(total.Contender, "kvclef") // Clef loses some
		if err != nil || counted > total.Signed || exact && counted != total.Signed {
			t.Errorf("%s has signed %d and counted %q", total.Contender, total.Signed, total.Total)
		}
	}
	for _, name := range running {
		if lines := strings.Count(out.String(), name+" "); lines < len(o.callers)*len(o.transports)*(o.rounds+1) {
			t.Errorf("%s is in %d lines", name, lines)
		}
	}
}

// TestRunOnly runs a part: one contender, and nothing at a fixed rate.
func TestRunOnly(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds and starts kvclef, reads Linux's /proc")
	}
	o := options{
		kvclef: filepath.Join(t.TempDir(), "kvclef"), only: []string{kvclefPolicy},
		rounds: 1, window: 100 * time.Millisecond, callers: []int{2}, transports: []string{"ipc"},
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", o.kvclef, "../../kvclef").CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, out)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, o); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for name, want := range map[string]int{kvclefPolicy: 3, kvclefAfter: 0, kvclefBefore: 0} { // the window, the median, the total
		if lines := strings.Count(out.String(), name+" "); lines != want {
			t.Errorf("%s is in %d lines, want %d", name, lines, want)
		}
	}
}

func TestPercentile(t *testing.T) {
	for _, c := range []struct {
		percent, of int
		want        float64
	}{{50, 1, 1}, {99, 1, 1}, {50, 4, 2}, {99, 4, 4}, {50, 100, 50}, {99, 100, 99}, {99, 101, 100}} {
		values := make([]float64, c.of)
		for i := range values {
			values[i] = float64(i + 1)
		}
		if got := percentile(values, c.percent); got != c.want {
			t.Errorf("%d %% of 1 to %d: %v, want %v", c.percent, c.of, got, c.want)
		}
	}
}

// TestRatiosAreOfARound compares round by round: a machine that is busy in one
// is so for both.
func TestRatiosAreOfARound(t *testing.T) {
	r := &report{}
	for round, speed := range []float64{1, 100, 3} {
		r.Windows = append(r.Windows,
			window{Contender: kvclefPolicy, Transport: "ipc", Callers: 8, Round: round + 1, PerSecond: 20 * speed, P50: 1, P99: 1, CPU: 1, Peak: 1},
			window{Contender: clefFree, Transport: "ipc", Callers: 8, Round: round + 1, PerSecond: speed, P50: 2, P99: 4, CPU: 8, Peak: 16},
			window{Contender: clefFree, Transport: "http", Callers: 8, Round: round + 1, PerSecond: 7})
	}
	r.summarise()
	want := ratio{kvclefPolicy, clefFree, "ipc", 8, 20, 0.5, 0.25, 0.125, 0.0625, 10}
	if len(r.Ratios) != 1 || r.Ratios[0] != want {
		t.Errorf("ratios %+v, want %+v", r.Ratios, want)
	}
	if len(r.Cells) != 3 || r.Cells[0].PerSecond != 60 || r.Cells[0].Round != 0 {
		t.Errorf("medians %+v", r.Cells)
	}
}

func TestVerify(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &contender{account: crypto.PubkeyToAddress(key.PublicKey)}
	signer := types.LatestSignerForChainID(big.NewInt(chain))
	to := common.HexToAddress(recipient)
	data := types.DynamicFeeTx{ChainID: big.NewInt(chain), Nonce: 7, To: &to, Value: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1)}
	raw := func(tx *types.Transaction) []byte {
		text, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	right := raw(types.MustSignNewTx(key, signer, &data))
	if err := c.verify(right, 7); err != nil {
		t.Error(err)
	}
	dear := data
	dear.Value = big.NewInt(2)
	for name, wrong := range map[string][]byte{
		"another's":  raw(types.MustSignNewTx(other, signer, &data)),
		"dearer":     raw(types.MustSignNewTx(key, signer, &dear)),
		"not signed": raw(types.NewTx(&data)),
		"cut off":    right[:len(right)-1],
		"nothing":    nil,
	} {
		if err := c.verify(wrong, 7); err == nil {
			t.Errorf("%s is right", name)
		}
	}
	if err := c.verify(right, 8); err == nil {
		t.Error("another nonce is right")
	}
}

// TestOwn takes what a window has of a histogram that counts since the start.
func TestOwn(t *testing.T) {
	before := spent{10, 1, []bucket{{.001, 5}, {.002, 10}, {.004, 10}}}
	after := spent{20, 1.021, []bucket{{.001, 5}, {.002, 11}, {.004, 19}}}
	if got := after.mean(before); got < 2.0999 || got > 2.1001 {
		t.Errorf("mean %v", got)
	}
	// One took from 1 to 2 ms, eight from 2 to 4, one longer.
	for percent, want := range map[float64]float64{5: 1.5, 10: 2, 50: 3, 90: 4, 99: 4} {
		if got := after.percentile(before, percent); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%v %%: %v ms, want %v", percent, got, want)
		}
	}
	if got := after.percentile(spent{}, 50); got < 1.8 || got > 2 {
		t.Errorf("half of all: %v ms", got)
	}
	if got := before.mean(before); got != 0 {
		t.Errorf("no request took %v ms", got)
	}
}
