package hosting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is in no answer, error or log of any test.
const secret = "Jx8Q~hunter2.Secret"

// The documents of a hosted CloudHSM, as its clients have them.
const (
	document = `{"type":"cloudhsm","name":"NAME","membership_id":"u0member","details":{"provider":"azure","target_address":"https://vault.azure.net",` +
		`"user_id":"7d1b2c3e-client","user_secret":"` + secret + `","subscription_id":"sub-1","tenant_id":"tenant-1","vault_name":"kv-prod"}}`
	serviceDocument = `{"name":"signer","membership_id":"u0member","service":"cloudhsm","details":{"cloudhsm_id":"ID"}}`
)

var home = Scope{"u0consortium", "u0environment"}

func configurationNamed(name string) []byte {
	return []byte(strings.Replace(document, "NAME", name, 1))
}

// serviceWith returns the document of a service, with further details.
func serviceWith(id string, details ...string) []byte {
	further := strings.Join(append([]string{`"cloudhsm_id":"` + id + `"`}, details...), ",")
	return []byte(strings.Replace(serviceDocument, `"cloudhsm_id":"ID"`, further, 1))
}

// stage runs services that only answer. What it is told to do it does.
type stage struct {
	mu      sync.Mutex
	failure error         // of Start
	hang    bool          // Start waits for its context
	panics  bool          // Start panics, with the secret
	held    chan struct{} // Start waits for it to be closed; nil: it does not
	handler http.Handler  // of services that are started
	chains  []uint64      // of their nodes; nil: each has its own
	starts  int
	started map[string]*act // by id: the last one
	running int
	seen    []Service
}

// act is a service that runs.
type act struct {
	stage    *stage
	service  Service
	chains   []uint64
	paused   bool
	asked    []bool // whether it was paused, at each asking of what is in flight
	answers  int    // that are being given
	mu       sync.Mutex
	inFlight int
	stopped  time.Time // zero: it runs
	stopping error     // of Stop
	status   error     // of Status
}

func newStage() *stage { return &stage{started: make(map[string]*act)} }

// set changes what it does.
func (s *stage) set(change func(*stage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *stage) Start(ctx context.Context, service Service, configuration Configuration) (Running, error) {
	s.mu.Lock()
	s.starts++
	s.seen = append(s.seen, service)
	failure, hang, panics, held := s.failure, s.hang, s.panics, s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	switch {
	case panics:
		panic(secret)
	case hang:
		<-ctx.Done()
		return nil, ctx.Err()
	case failure != nil:
		return nil, fmt.Errorf("opening the vault %+v: %w", configuration.Vault, failure) // the worst that a runner may say
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &act{stage: s, service: service, chains: service.Details.ChainIDs}
	switch {
	case len(a.chains) > 0:
	case s.chains != nil:
		a.chains = s.chains
	default:
		a.chains = []uint64{1_000_000 + uint64(s.starts)}
	}
	s.started[service.ID] = a
	s.running++
	return a, nil
}

func (s *stage) act(t *testing.T, id string) *act {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started[id] == nil {
		t.Fatalf("the service %q was not started", id)
	}
	return s.started[id]
}

func (s *stage) count() (running, starts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running, s.starts
}

func (s *stage) startsOf(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, service := range s.seen {
		if service.ID == id {
			n++
		}
	}
	return n
}

func (a *act) set(change func(*act)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *act) Status(context.Context) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]any{"version": "1.2.3", "state": "mine", "urls": map[string]string{"rpc": "http://signer/services/" + a.service.ID}}, a.status
}

func (a *act) Handler() http.Handler {
	a.stage.mu.Lock()
	defer a.stage.mu.Unlock()
	if a.stage.handler != nil {
		return a.stage.handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode([]string{a.service.ID, r.URL.EscapedPath(), r.URL.RawQuery})
	})
}

func (a *act) ChainIDs() []uint64 { return a.chains }

func (a *act) Pause(on bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = on
	return a.answers
}

func (a *act) InFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, a.paused)
	return a.inFlight
}

func (a *act) Stop(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped.IsZero() {
		return errors.New("stopped twice")
	}
	a.stopped = time.Now()
	a.stage.mu.Lock()
	defer a.stage.mu.Unlock()
	a.stage.running--
	return a.stopping
}

func (a *act) isStopped() bool { return !a.stopTime().IsZero() }

func (a *act) stopTime() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped
}

// house is a registry with what it stands on.
type house struct {
	*Registry
	stage   *stage
	records rules.Records
	log     *logBuffer
}

func newSeal(t testing.TB, fill byte) *Seal {
	t.Helper()
	seal, err := NewSeal([32]byte(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

// open opens a registry on records, nil for new ones.
func open(t *testing.T, records rules.Records, s *stage) *house {
	t.Helper()
	if records == nil {
		records = memory.NewRecords()
	}
	if s == nil {
		s = newStage()
	}
	log := new(logBuffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r, err := Open(t.Context(), Config{Records: records, Seal: newSeal(t, 7), Runner: s, Taken: []string{"kv-own"}, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{r, s, records, log}
	t.Cleanup(func() {
		h.shut(t)
		if strings.Contains(log.String(), secret) {
			t.Error("the log shows the secret")
		}
	})
	return h
}

// shut closes the registry; a second time does nothing.
func (h *house) shut(t *testing.T) {
	t.Helper()
	if err := h.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// furnish creates a configuration and services of it.
func (h *house) furnish(t *testing.T, name string, services int) (Configuration, []Service) {
	t.Helper()
	c, err := h.CreateConfiguration(t.Context(), home, configurationNamed(name))
	if err != nil {
		t.Fatal(err)
	}
	made := make([]Service, services)
	for i := range made {
		if made[i], err = h.CreateService(t.Context(), home, serviceWith(c.ID)); err != nil {
			t.Fatal(err)
		}
	}
	return c, made
}

// state returns how a service is.
func (h *house) state(t *testing.T, id string) (State, string) {
	t.Helper()
	told, err := h.Status(t.Context(), home, id)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(told)
	var got Health
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got.State, got.Error
}

// isRefused reports what is wrong with an error that should be a refusal.
func isRefused(t *testing.T, what string, err, reason error, text string) {
	t.Helper()
	if !errors.Is(err, reason) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %v with %q", what, err, reason, text)
	}
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("%s: the error shows the secret", what)
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
