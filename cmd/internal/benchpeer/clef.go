package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// password is of the master seed and of the key file: Clef wants ten characters.
const password = "benchmarks"

// What Clef prints.
var (
	clefHTTP  = regexp.MustCompile(`HTTP endpoint opened +url=(http://127\.0\.0\.1:\d+)`)
	clefTotal = regexp.MustCompile(`JS:>  ?total (\d+)`)
)

// startClef sets up a Clef with one key and an attested rule file, and starts it.
func startClef(ctx context.Context, program, dir, name string, file ruleFile) (*contender, error) {
	home := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Join(home, "keystore"), 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for Clef: %w", err)
	}
	text, err := file.text()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(home, string(file)), text, 0o600); err != nil {
		return nil, fmt.Errorf("writing Clef's rule file: %w", err)
	}
	n, p := keystore.LightScryptN, keystore.LightScryptP
	if name != clefLight {
		n, p = 2, 1 // as good as no derivation
	}
	account, err := writeKey(filepath.Join(home, "keystore"), n, p)
	if err != nil {
		return nil, err
	}
	for _, step := range [][]string{
		{"init"},
		{"attest", fmt.Sprintf("%x", sha256.Sum256(text))},
		{"setpw", account.Hex()},
	} {
		cmd := clefCommand(ctx, program, home, step...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("clef %s: %w: %s", step[0], err, text)
		}
	}
	output := filepath.Join(home, "output")
	process, err := measure.Start(ctx, output, clefCommand(context.WithoutCancel(ctx), program, home,
		"--nousb", "--keystore", "keystore", "--chainid", fmt.Sprint(chain), "--rules", string(file), "--auditlog", "audit.log",
		"--ipcpath", home, "--http", "--http.addr", "127.0.0.1", "--http.port", "0"))
	if err != nil {
		return nil, err
	}
	c := &contender{name: name, peer: true, process: process, ipc: filepath.Join(home, "clef.ipc"), account: account}
	c.total = func(ctx context.Context) (string, error) { return c.printedTotal(ctx, clefTotal) }
	return c.await(ctx, clefHTTP)
}

// clefCommand is a Clef in its home that is given the password as often as it
// asks.
func clefCommand(ctx context.Context, program, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append([]string{"--suppress-bootwarn", "--lightkdf", "--configdir", "config"}, args...)...) //nolint:gosec // the caller's own program
	cmd.Dir = home
	cmd.Stdin = strings.NewReader(strings.Repeat(password+"\n", 3))
	return cmd
}

// writeKey makes a key and its file, with scrypt's N and p.
func writeKey(dir string, n, p int) (common.Address, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return common.Address{}, fmt.Errorf("making a key: %w", err)
	}
	account, err := keystore.NewKeyStore(dir, n, p).ImportECDSA(key, password)
	if err != nil {
		return common.Address{}, fmt.Errorf("writing a key file: %w", err)
	}
	return account.Address, nil
}

// await waits until the contender answers, and reads where it listens. One that
// does not is stopped.
func (c *contender) await(ctx context.Context, http *regexp.Regexp) (*contender, error) {
	err := c.process.Await(ctx, func(ctx context.Context) error {
		account, err := c.list(ctx)
		if err != nil {
			return err
		}
		c.account = account
		c.http, err = c.process.Printed(http)
		return err
	})
	if err != nil {
		_ = c.process.Stop() // what went wrong before counts
		return nil, err
	}
	return c, nil
}

// printedTotal has the rule file print its total, and reads it.
func (c *contender) printedTotal(ctx context.Context, pattern *regexp.Regexp) (string, error) {
	if _, err := c.list(ctx); err != nil {
		return "", err
	}
	return c.process.Printed(pattern)
}
