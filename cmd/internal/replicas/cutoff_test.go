//go:build linux

package replicas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// The two ends of the only link between the database and the replica that is cut off:
// addresses for documentation, in namespaces that the test makes.
const (
	databaseAddress = "192.0.2.1"
	replicaAddress  = "192.0.2.2"
	network         = "/30"
)

// TestCutOff cuts the link between one of two replicas and the database, while all else
// goes on: what is sent is lost, and no connection ends. The replica says that it can't
// decide, the balancer takes it out, and the other goes on. Nothing is signed beyond the
// cap. When the link is whole again, so is the service.
func TestCutOff(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	far := newNamespace(t)
	command(t, "ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0")
	command(t, "ip", "link", "set", "far0", "netns", far.path())
	command(t, "ip", "address", "add", replicaAddress+network, "dev", "near0")
	command(t, "ip", "link", "set", "near0", "up")
	var database *pgtest.Server
	far.do(t, func() {
		command(t, "ip", "link", "set", "lo", "up")
		command(t, "ip", "address", "add", databaseAddress+network, "dev", "far0")
		command(t, "ip", "link", "set", "far0", "up")
		database = pgtest.Start(t, databaseAddress)
	})
	name := database.Database(t) // by its socket, which is a file
	h := newHouseWith(t, policyFor(caller), database, database.DSN(name))
	h.configure(t, "signer-0", h.dsn)
	h.configure(t, "signer-1", strings.Replace(database.TCP(name), "127.0.0.1", databaseAddress, 1))
	h.attest(t)
	stays, cut := h.start(t, "signer-0"), h.start(t, "signer-1")
	b := h.balance(t, signers([]*signer{stays, cut}), 2)
	all := h.well(t, b, 0, limit/4)

	all.add(race(t, h.remotes(t, b.address, clients), 1000, limit/4, func(begun <-chan struct{}) {
		<-begun
		far.do(t, func() { command(t, "ip", "link", "set", "far0", "down") })
		b.await(t, cut.name, "DOWN")
	}))
	if reason := unready(t, cut); reason != "store" {
		t.Errorf("the replica that is cut off lacks %q", reason)
	}
	all.add(h.well(t, b, 2000, limit/8))
	alone := race(t, h.remotes(t, cut.https, 8), 3000, 8, nil)
	if alone.signed > 0 || alone.denied > 0 {
		t.Errorf("cut off, it signed %d and denied %d", alone.signed, alone.denied)
	}
	for _, err := range alone.failed {
		// Those that wait behind others for the database run out of their own time.
		if !stateless(err) && err.Error() != "request timed out" {
			t.Errorf("cut off, it says %q", err)
		}
	}
	all.add(alone)

	far.do(t, func() { command(t, "ip", "link", "set", "far0", "up") })
	b.await(t, cut.name, "UP")
	all.add(again(t, h.remote(t, cut.https), cut, 4000))
	all.add(h.well(t, b, 10_000, 2*limit))
	all.within(t)
	for _, s := range []*signer{stays, cut} {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 2)
}

// unready returns what a replica says at /readyz that it lacks.
func unready(t *testing.T, s *signer) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/readyz", s.metrics), http.NoBody)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	var report struct {
		Ready  bool `json:"ready"`
		Checks []struct {
			Name string `json:"name"`
			OK   bool   `json:"ok"`
		} `json:"checks"`
	}
	must(t, errors.Join(json.NewDecoder(response.Body).Decode(&report), response.Body.Close()))
	if report.Ready != (response.StatusCode == http.StatusOK) {
		t.Errorf("status %d with ready %v", response.StatusCode, report.Ready)
	}
	var lacks []string
	for _, check := range report.Checks {
		if !check.OK {
			lacks = append(lacks, check.Name)
		}
	}
	slices.Sort(lacks)
	return strings.Join(lacks, ", ")
}
