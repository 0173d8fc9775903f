package hosting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// TestARestartStartsAll, and what can't be started keeps nothing else.
func TestARestartStartsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := open(t, nil, nil)
		_, made := first.furnish(t, "prod", 2)
		first.shut(t)
		if running, _ := first.stage.count(); running != 0 {
			t.Errorf("%d services run after closing", running)
		}
		if _, err := first.CreateService(t.Context(), home, serviceWith(made[0].Details.CloudHSMID)); !errors.Is(err, ErrClosing) {
			t.Errorf("creating after closing: %v", err)
		}

		s := newStage()
		s.failure = errors.New("the vault is not there")
		second := open(t, first.records, s)
		if err := second.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, service := range made {
			if state, why := second.state(t, service.ID); state != Failed || !strings.HasPrefix(why, "opening the vault") {
				t.Errorf("%s is %s: %s", service.ID, state, why)
			}
		}
		// It is tried after 1, 2, 4 … seconds, and never later than every 5 minutes.
		tried := 2
		for wait := time.Second; wait < time.Hour; wait *= 2 {
			before := min(wait, lastRetry)
			time.Sleep(before - time.Nanosecond) //nolint:forbidigo // of the bubble's clock
			synctest.Wait()
			if _, starts := s.count(); starts != tried {
				t.Fatalf("%d starts within %s, want %d", starts, before, tried)
			}
			time.Sleep(time.Nanosecond) //nolint:forbidigo // likewise
			synctest.Wait()
			if _, starts := s.count(); starts != tried+2 {
				t.Fatalf("%d starts after %s, want %d", starts, before, tried+2)
			}
			tried += 2
		}
		// One may be created while others fail.
		s.set(func(s *stage) { s.failure = nil })
		if _, err := second.CreateService(t.Context(), home, serviceWith(made[0].Details.CloudHSMID)); err != nil {
			t.Error(err)
		}
		time.Sleep(lastRetry) //nolint:forbidigo // likewise
		synctest.Wait()
		for _, service := range made {
			if state, why := second.state(t, service.ID); state != Started || why != "" {
				t.Errorf("%s is %s: %s", service.ID, state, why)
			}
			if got, err := second.Service(t.Context(), home, service.ID); err != nil || got.Name != service.Name || !got.CreatedAt.Equal(service.CreatedAt) {
				t.Errorf("after the restart: %+v, %v", got, err)
			}
		}
		second.shut(t)
		if running, _ := s.count(); running != 0 {
			t.Errorf("%d services run after closing", running)
		}
	})
}

// TestAStartThatHangsIsEnded after its time, by deletion, and by closing.
func TestAStartThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil, nil)
		c, made := h.furnish(t, "prod", 2)
		h.shut(t)
		s := newStage()
		s.hang = true
		h = open(t, h.records, s)
		begun := time.Now()
		_, err := h.CreateService(t.Context(), home, serviceWith(c.ID))
		isRefused(t, "creating", err, ErrNotStarted, "it did not start within 20s")
		if took := time.Since(begun); took != startTimeout {
			t.Errorf("it took %s", took)
		}
		if err := h.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if state, _ := h.state(t, made[0].ID); state != Starting {
			t.Errorf("it is %s", state)
		}
		isRefused(t, "deleting", h.DeleteService(t.Context(), home, made[0].ID, false), ErrInUse, "the service does not run")
		if err := h.DeleteService(t.Context(), home, made[0].ID, true); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // of the bubble's clock
		synctest.Wait()
		if n := s.startsOf(made[0].ID); n != 1 {
			t.Errorf("%d starts of one that was deleted at the first", n)
		}
		if n := s.startsOf(made[1].ID); n < 10 {
			t.Errorf("%d starts of the other", n)
		}
		creating := make(chan error)
		go func() {
			_, err := h.CreateService(t.Context(), home, serviceWith(c.ID))
			creating <- err
		}()
		synctest.Wait()
		begun = time.Now()
		go h.shut(t)
		isRefused(t, "creating while it is closed", <-creating, ErrNotStarted, "context canceled")
		synctest.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("closing took %s", took)
		}
	})
}

// TestAStartThatIgnoresItsEnd is waited for no longer than the caller wants, and
// what comes of it is stopped.
func TestAStartThatIgnoresItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil, nil)
		h.furnish(t, "prod", 1)
		h.shut(t)
		s := newStage()
		s.held = make(chan struct{})
		h = open(t, h.records, s)
		if err := h.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closing: %v", err)
		}
		close(s.held)
		synctest.Wait()
		if running, starts := s.count(); running != 0 || starts != 1 {
			t.Errorf("%d run after %d starts", running, starts)
		}
	})
}

// TestAPolicyMustStayAsItWas when the service was made.
func TestAPolicyMustStayAsItWas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) string {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256([]byte(text))
		return hex.EncodeToString(hash[:])
	}
	synctest.Test(t, func(t *testing.T) {
		other := write("other")
		hash := write("version: 1")
		h := open(t, nil, nil)
		c, _ := h.furnish(t, "prod", 0)
		detail := `"policy":"` + path + `"`
		_, err := h.CreateService(t.Context(), home, serviceWith(c.ID, detail, `"policy_sha256":"`+other+`"`))
		isRefused(t, "another hash", err, ErrInvalid, "has SHA-256 "+hash+" and must have "+other)
		_, err = h.CreateService(t.Context(), home, serviceWith(c.ID, `"policy":"`+filepath.Dir(path)+`"`))
		isRefused(t, "a folder", err, ErrInvalid, "is no ordinary file")
		given, err := h.CreateService(t.Context(), home, serviceWith(c.ID, detail, `"policy_sha256":"0x`+strings.ToUpper(hash)+`"`))
		if err != nil || given.Details.PolicySHA256 != hash {
			t.Fatalf("%+v, %v", given, err)
		}
		taken, err := h.CreateService(t.Context(), home, serviceWith(c.ID, detail))
		if err != nil || taken.Details.PolicySHA256 != hash {
			t.Fatalf("%+v, %v", taken, err)
		}
		if seen := h.stage.seen; len(seen) != 2 || string(seen[0].PolicySource) != "version: 1" || string(seen[1].PolicySource) != "version: 1" {
			t.Errorf("the runner was given %+v", seen)
		}
		h.shut(t)

		write("version: 1 # and more")
		h = open(t, h.records, nil)
		if err := h.StartAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, service := range []Service{given, taken} {
			if state, why := h.state(t, service.ID); state != Failed || !strings.Contains(why, "must have "+hash) {
				t.Errorf("with another policy it is %s: %s", state, why)
			}
		}
		if _, starts := h.stage.count(); starts != 0 {
			t.Errorf("%d starts with another policy", starts)
		}
		write("version: 1")
		time.Sleep(firstRetry) //nolint:forbidigo // of the bubble's clock
		synctest.Wait()
		for _, service := range []Service{given, taken} {
			if state, why := h.state(t, service.ID); state != Started {
				t.Errorf("with its policy it is %s: %s", state, why)
			}
		}
	})
}

func TestDeletingWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	_, made := h.furnish(t, "prod", 1)
	id := made[0].ID
	h.stage.act(t, id).set(func(a *act) { a.inFlight = 3 })
	isRefused(t, "with transactions", h.DeleteService(t.Context(), home, id, false), ErrInUse, "3 transactions under way")
	if state, _ := h.state(t, id); state != Started {
		t.Errorf("it is %s", state)
	}
	if err := h.DeleteService(t.Context(), home, id, true); err != nil {
		t.Errorf("by force: %v", err)
	}
	if running, _ := h.stage.count(); running != 0 {
		t.Error("it runs on")
	}

	// A request that is being answered may sign, until it is.
	entered, end := make(chan struct{}), make(chan struct{})
	h.stage.set(func(s *stage) {
		s.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-end })
	})
	_, made = h.furnish(t, "prod2", 1)
	id = made[0].ID
	var group sync.WaitGroup
	group.Go(func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/services/"+id, http.NoBody))
	})
	<-entered
	isRefused(t, "while it answers", h.DeleteService(t.Context(), home, id, false), ErrInUse, "answers 1 requests")
	close(end)
	group.Wait()
	h.stage.act(t, id).set(func(a *act) { a.stopping = errors.New("the disk is gone") })
	err := h.DeleteService(t.Context(), home, id, false)
	if err == nil || !strings.Contains(err.Error(), "the service is deleted, and it is not known") {
		t.Errorf("one that does not stop: %v", err)
	}
	if _, err := h.Service(t.Context(), home, id); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is kept: %v", err)
	}
}

// faulty fails changes, before they are made or after.
type faulty struct {
	rules.Records
	before, after error
	meanwhile     func() // once, before the first
}

func (f *faulty) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if do := f.meanwhile; do != nil {
		f.meanwhile = nil
		do()
	}
	if f.before != nil {
		return f.before
	}
	return errors.Join(f.Records.ChangeRecords(ctx, changes...), f.after)
}

func TestChangesThatFail(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	c, made := h.furnish(t, "prod", 1)
	disk := &faulty{Records: h.records}
	h.shelf.records = disk
	gone := errors.New("the disk is gone")

	disk.before = gone
	if _, err := h.CreateConfiguration(t.Context(), home, configurationNamed("b")); !errors.Is(err, gone) {
		t.Errorf("creating a configuration: %v", err)
	}
	if _, err := h.CreateService(t.Context(), home, serviceWith(c.ID)); !errors.Is(err, gone) {
		t.Errorf("creating a service: %v", err)
	}
	if running, starts := h.stage.count(); running != 1 || starts != 2 {
		t.Errorf("%d services run after %d starts: one that is not kept must not", running, starts)
	}
	if err := h.DeleteService(t.Context(), home, made[0].ID, true); !errors.Is(err, gone) {
		t.Errorf("deleting a service: %v", err)
	}
	if state, _ := h.state(t, made[0].ID); state != Started {
		t.Errorf("one that could not be deleted is %s", state)
	}

	disk.before = rules.ErrRecordsFull
	if _, err := h.CreateConfiguration(t.Context(), home, configurationNamed("b")); statusOf(err) != http.StatusInsufficientStorage {
		t.Errorf("a full store: %v", err)
	}
	disk.before = rules.ErrConflict
	if _, err := h.CreateConfiguration(t.Context(), home, configurationNamed("b")); statusOf(err) != http.StatusConflict {
		t.Errorf("others that are always quicker: %v", err)
	}

	// It failed, though it happened.
	disk.before, disk.after = nil, gone
	b, err := h.CreateConfiguration(t.Context(), home, configurationNamed("b"))
	if err != nil {
		t.Errorf("creating a configuration: %v", err)
	}
	service, err := h.CreateService(t.Context(), home, serviceWith(b.ID))
	if err != nil {
		t.Errorf("creating a service: %v", err)
	}
	if err := errors.Join(h.DeleteService(t.Context(), home, service.ID, false), h.DeleteConfiguration(t.Context(), home, b.ID)); err != nil {
		t.Errorf("deleting: %v", err)
	}
}

// TestTwoProcesses share a store, and overwrite nothing of each other's.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	a := open(t, nil, nil)
	b := open(t, a.records, nil)
	c, made := a.furnish(t, "prod", 1)
	_, err := b.CreateConfiguration(t.Context(), home, configurationNamed("prod"))
	isRefused(t, "the same name", err, ErrInUse, "is called")
	isRefused(t, "what the other uses", b.DeleteConfiguration(t.Context(), home, c.ID), ErrInUse, "is used by")
	if state, why := b.state(t, made[0].ID); state != Failed || why != "it is not run by this process" {
		t.Errorf("the other's is %s: %s", state, why)
	}
	isRefused(t, "deleting the other's", b.DeleteService(t.Context(), home, made[0].ID, false), ErrInUse, "does not run")
	if err := b.DeleteService(t.Context(), home, made[0].ID, true); err != nil {
		t.Error(err)
	}
	if err := a.DeleteService(t.Context(), home, made[0].ID, false); err != nil {
		t.Errorf("one that the other deleted runs on: %v", err)
	}
	if running, _ := a.stage.count(); running != 0 {
		t.Error("one that was deleted twice runs")
	}
	isRefused(t, "a third time", a.DeleteService(t.Context(), home, made[0].ID, true), ErrNotFound, "has the id")
}

// TestAnotherProcessIsQuicker between deciding and changing.
func TestAnotherProcessIsQuicker(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	other := open(t, h.records, nil)
	disk := &faulty{Records: h.records}
	h.shelf.records = disk
	c, _ := h.furnish(t, "prod", 0)

	disk.meanwhile = func() { other.furnish(t, "new", 0) }
	_, err := h.CreateConfiguration(t.Context(), home, configurationNamed("new"))
	isRefused(t, "the same name", err, ErrInUse, "is called")

	disk.meanwhile = func() { other.furnish(t, "unlike", 0) }
	if _, err = h.CreateConfiguration(t.Context(), home, configurationNamed("newer")); err != nil {
		t.Errorf("another name: %v", err)
	}

	var service Service
	disk.meanwhile = func() { service, err = other.CreateService(t.Context(), home, serviceWith(c.ID)) }
	isRefused(t, "what is used now", h.DeleteConfiguration(t.Context(), home, c.ID), ErrInUse, "is used by")
	if err = errors.Join(err, other.DeleteService(t.Context(), home, service.ID, false)); err != nil {
		t.Error(err)
	}
	disk.meanwhile = func() { err = other.DeleteConfiguration(t.Context(), home, c.ID) }
	_, refused := h.CreateService(t.Context(), home, serviceWith(c.ID))
	isRefused(t, "of what is deleted now", refused, ErrInvalid, "no configuration")
	if running, starts := h.stage.count(); err != nil || running != 0 || starts != 1 {
		t.Errorf("%d run after %d starts, %v", running, starts, err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	c, made := h.furnish(t, "prod", 1)
	all := kept(t, h.records)
	var parsed config.HostedDocument
	if err := json.Unmarshal(configurationNamed("x"), &parsed); err != nil {
		t.Fatal(err)
	}
	fill := func(change rules.Change, err error) {
		if err == nil {
			err = h.records.ChangeRecords(t.Context(), change)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.shelf.seal.open(keyService+made[0].ID, all[keyService+made[0].ID])
	if err != nil {
		t.Fatal(err)
	}
	for range MaxServices - 1 {
		key := keyService + newID()
		fill(rules.Change{Key: key, New: h.shelf.seal.close(key, text)}, nil)
	}
	_, err = h.CreateService(t.Context(), home, serviceWith(c.ID))
	isRefused(t, "a service too many", err, ErrInUse, "64 services")
	for n := range MaxConfigurations - 1 {
		parsed.Name = "n" + strconv.Itoa(n)
		fill(put(&h.shelf, keyConfiguration+newID(), newRecord(home, parsed)))
	}
	_, err = h.CreateConfiguration(t.Context(), home, configurationNamed("more"))
	isRefused(t, "a configuration too many", err, ErrInUse, "256 configurations")
}

// TestRaces: whatever happens at the same time, names are unique, no service is
// without its configuration, and what is not kept does not run.
func TestRaces(t *testing.T) {
	t.Parallel()
	records := open(t, nil, nil).records
	houses := []*house{open(t, records, nil), open(t, records, nil)}
	var group sync.WaitGroup
	for round := range 40 {
		h := houses[round%2]
		group.Go(func() {
			c, err := h.CreateConfiguration(t.Context(), home, configurationNamed(fmt.Sprintf("name%d", round%10)))
			if err != nil {
				return // the name was taken, or others were quicker
			}
			for range 3 {
				group.Go(func() {
					service, err := h.CreateService(t.Context(), home, serviceWith(c.ID))
					if err == nil {
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/services/"+service.ID+"/x", http.NoBody))
						group.Go(func() { _ = h.DeleteService(t.Context(), home, service.ID, false) })
						_ = h.DeleteService(t.Context(), home, service.ID, round%3 == 0)
					}
				})
			}
			if round%10 >= 5 { // the others stay until a service is started
				group.Go(func() { _ = h.DeleteConfiguration(t.Context(), home, c.ID) })
			}
		})
	}
	group.Wait()
	for _, h := range houses {
		configurations, err := h.Configurations(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		names, ids := make(map[string]bool), make(map[string]bool)
		for _, c := range configurations {
			if names[c.Name] {
				t.Errorf("%s is the name of two", c.Name)
			}
			names[c.Name], ids[c.ID] = true, true
		}
		services, err := h.Services(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for _, s := range services {
			if !ids[s.Details.CloudHSMID] {
				t.Errorf("the service %s has no configuration", s.ID)
			}
			if h.instance(s.ID) != nil {
				running++
			}
		}
		if now, starts := h.stage.count(); now != running || starts == 0 {
			t.Errorf("%d run of %d starts, and %d are kept", now, starts, running)
		}
	}
}
