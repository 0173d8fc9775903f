package main

import (
	"slices"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// TestPrincipalsOfAConfiguration: whom it names has series of their own, also where no policy
// names anybody.
func TestPrincipalsOfAConfiguration(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("kvclef.yaml", []byte(`
listeners:
  ipc: {principals: {1001: batcher}}
  http: {jwt: {secret_file: a.hex, secret_principal: consensus}}
proxy: {jwt: {secret_file: b.hex}}
limits: {callers: {principals: {relayer: {rate: 5/s}}}}
approvals: {people: {alice: {principals: [wallet]}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := configuredPrincipals(cfg)
	slices.Sort(got)
	if want := []string{"batcher", "consensus", "jwt", "relayer", "wallet"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
