package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// readme pastes the README's session with geth into a shell, as its reader does
// while kvclef runs with its ordinary paths.
func readme(t *testing.T, p programs) {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, session, _ := strings.Cut(string(text), "## A session with geth")
	commands := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(session)
	if commands == nil {
		t.Fatal("the README has no session with geth")
	}

	home := t.TempDir()
	signer, err := devnet.StartSigner(t.Context(), devnet.SignerConfig{
		Kvclef: p.kvclef, Dir: filepath.Join(home, ".kvclef"), Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, signer.Stop) })
	accounts, err := signer.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands[1])
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "HOME="+home, "PATH="+filepath.Dir(p.geth)+string(os.PathListSeparator)+os.Getenv("PATH"))
	shell.Stderr = t.Output()
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Fields(string(out))
	if len(lines) < 2 || lines[0] != strings.ToLower(accounts[0].Hex()) {
		t.Fatalf("the session prints %q, want the account %s and a signature", out, accounts[0])
	}
	signature, err := hexutil.Decode(strings.Trim(lines[1], `"`))
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, signature, []byte("kvclef"), accounts[0], 27)
}
