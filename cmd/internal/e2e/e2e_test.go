// Package e2e_test runs the finished kvclef binary against a real geth: its
// embedded vault holds the keys, the Azure clients in between are the real
// ones, and what geth is asked to send has to end up in a block.
package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// programs are the paths of what the stories run.
type programs struct{ kvclef, demo, geth string }

func TestEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	p := build(t)
	t.Run("IPC", func(t *testing.T) {
		c := p.chain(t, devnet.Osaka, false)
		transactions(t, c)
		blob(t, c)
		text(t, c)
		restart(t, p, c)
	})
	t.Run("HTTP", func(t *testing.T) {
		c := p.chain(t, devnet.Cancun, true)
		transactions(t, c)
		blob(t, c)
		text(t, c)
	})
	t.Run("rules", func(t *testing.T) { decided(t, p, "rules.js", twoWei) })
	t.Run("policy", func(t *testing.T) { decided(t, p, "policy.yaml", twoWeiPolicy) })
	t.Run("README", func(t *testing.T) { readme(t, p) })
	t.Run("demo", func(t *testing.T) { demo(t, p) })
	t.Run("demo interrupted", func(t *testing.T) { interrupted(t, p) })
	t.Run("Go", func(t *testing.T) {
		c := p.chain(t, devnet.Osaka, true)
		t.Run("external signer IPC", func(t *testing.T) { externalSigner(t, c, c.signer.IPC()) })
		t.Run("external signer HTTP", func(t *testing.T) { externalSigner(t, c, c.signer.HTTP()) })
		t.Run("transactor", func(t *testing.T) { transactor(t, c) })
	})
}

// build builds kvclef as the Makefile does, and geth when it is missing.
func build(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", dir+"/",
		"github.com/kvclef/kvclef/cmd/kvclef", "github.com/kvclef/kvclef/cmd/kvclef-demo")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, text)
	}
	geth, err := devnet.Geth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return programs{kvclef: filepath.Join(dir, "kvclef"), demo: filepath.Join(dir, "kvclef-demo"), geth: geth}
}

// chain is a private chain: a geth whose one account is in kvclef's vault.
type chain struct {
	fork    devnet.Fork
	rules   string // path of a rule file or a policy; "" approves everything
	signer  *devnet.Signer
	keys    string // folder of the signer
	node    *devnet.Node
	account common.Address
}

// chain starts kvclef and a geth that uses it, over HTTP or IPC.
func (p programs) chain(t *testing.T, fork devnet.Fork, http bool) *chain {
	t.Helper()
	return p.ruledChain(t, fork, http, "")
}

// ruledChain is chain with a rule file or a policy.
func (p programs) ruledChain(t *testing.T, fork devnet.Fork, http bool, rules string) *chain {
	t.Helper()
	c := &chain{fork: fork, keys: t.TempDir(), rules: rules}
	c.signer = p.start(t, c, http)
	accounts, err := c.signer.Accounts(t.Context())
	if err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, error %v: want one account", accounts, err)
	}
	c.account = accounts[0]

	endpoint := c.signer.IPC()
	if http {
		endpoint = c.signer.HTTP()
	}
	c.node, err = devnet.Start(t.Context(), devnet.Config{
		Geth: p.geth, Dir: t.TempDir(), Signer: endpoint, Fork: fork, Funded: accounts, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c.node.Stop) })
	return c
}

// start starts kvclef on the chain's keys.
func (p programs) start(t *testing.T, c *chain, http bool) *devnet.Signer {
	t.Helper()
	signer, err := devnet.StartSigner(t.Context(), devnet.SignerConfig{Kvclef: p.kvclef, Dir: c.keys, HTTP: http, Rules: c.rules, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, signer.Stop) })
	return signer
}

func stop(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
