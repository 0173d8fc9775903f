package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// chain is the chain that is signed for, that of geth's own development chain.
const chain = 1337

// recipient is on the allow-list.
const recipient = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

// contender is a signer that runs.
type contender struct {
	name    string
	peer    bool // it is Clef
	process *measure.Process
	ipc     string // path
	http    string // URL
	metrics string // URL, "" has none
	account common.Address
	signed  atomic.Uint64 // also the last nonce
	total   func(context.Context) (string, error)
}

// contenders are those that are compared.
func contenders() []struct {
	name string
	peer bool
	file ruleFile
} {
	return []struct {
		name string
		peer bool
		file ruleFile
	}{
		{clefLight, true, rulesAfter},
		{clefFree, true, rulesAfter},
		{clefFreeBefore, true, rulesBefore},
		{kvclefAfter, false, rulesAfter},
		{kvclefBefore, false, rulesBefore},
		{kvclefPolicy, false, policy},
	}
}

// startAll starts all contenders below dir. What stop stops is started even if
// there is an error.
func startAll(ctx context.Context, dir string, o options) (field []*contender, stop func() error, err error) {
	var running []*measure.Process
	stop = func() error {
		var all error
		for i := range running { // the vault last
			all = errors.Join(all, running[len(running)-1-i].Stop())
		}
		return all
	}
	vault, process, err := startVault(ctx, filepath.Join(dir, "vault"), o.kvclef)
	if err != nil {
		return nil, stop, err
	}
	running = append(running, process)
	add := func(c *contender, err error) error {
		if err == nil {
			running, field = append(running, c.process), append(field, c)
		}
		return err
	}
	for _, of := range contenders() {
		switch {
		case len(o.only) > 0 && !slices.Contains(o.only, of.name):
		case !of.peer:
			err = add(startKvclef(ctx, o.kvclef, dir, vault, of.name, of.file))
		case o.clef != "":
			err = add(startClef(ctx, o.clef, dir, of.name, of.file))
		}
		if err != nil {
			return nil, stop, err
		}
	}
	return field, stop, nil
}

// dial connects to the contender.
func (c *contender) dial(ctx context.Context, transport string) (*rpc.Client, error) {
	if transport == "ipc" {
		return rpc.DialContext(ctx, c.ipc)
	}
	// A connection that stays: rpc's own client would close most of 64.
	return rpc.DialOptions(ctx, c.http, rpc.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}))
}

// list asks for the accounts, of which there is one.
func (c *contender) list(ctx context.Context) (common.Address, error) {
	client, err := c.dial(ctx, "ipc")
	if err != nil {
		return common.Address{}, err
	}
	defer client.Close()
	var accounts []common.Address
	if err := client.CallContext(ctx, &accounts, "account_list"); err != nil {
		return common.Address{}, err
	}
	if len(accounts) != 1 {
		return common.Address{}, fmt.Errorf("%s has %d accounts, want 1", c.name, len(accounts))
	}
	return accounts[0], nil
}
