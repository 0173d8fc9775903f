package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// twoWei is a rule file as Clef's users have them: a limit in the storage that
// ApproveTx checks and OnApprovedTx counts. The node gets two wei for all.
const twoWei = `
function spent() { return new BigNumber(storage.get("spent") || "0") }

function value(hex) { return new BigNumber(hex.slice(2), 16) }

function ApproveTx(r) {
	if (r.transaction.to.toLowerCase() != "0x00000000000000000000000000000000cafe0001") { return "Reject" }
	if (spent().plus(value(r.transaction.value)).gt(2)) { return "Reject" }
	return "Approve"
}

function OnApprovedTx(r) {
	storage.put("spent", spent().plus(value(r.tx.value)).toString(10))
	console.log("spent", storage.get("spent"))
}

function ApproveListing(r) { return "Approve" }
`

// twoWeiPolicy says the same as a policy.
const twoWeiPolicy = `
version: 1
lists: {friend: ["0x00000000000000000000000000000000cafe0001"]}
rules:
  - {id: list, effect: allow, match: {principal: [local], kind: [list]}}
  - id: pay
    effect: allow
    match: {principal: [local], kind: [transaction], plain: true, to: friend, value_max: "2 wei", gas_max: 21000}
    limits: [{measure: value, max: "2 wei", window: 24h}]
`

// decided sends through a real geth what a rule file or a policy allows and what
// it doesn't, over a restart of the signer, and checks the record of it.
func decided(t *testing.T, p programs, name, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := p.ruledChain(t, devnet.Osaka, false, file)
	allowed := common.HexToAddress("0x00000000000000000000000000000000cafe0001")

	hash, err := c.send(t, allowed, "0x1")
	if err != nil {
		t.Fatal(err)
	}
	c.mined(t, hash, types.DynamicFeeTxType)
	c.denied(t, common.HexToAddress(recipient), "0x1")
	c.denied(t, allowed, "0x2")

	// What was spent is not forgotten.
	if err := c.signer.Stop(); err != nil {
		t.Fatal(err)
	}
	c.signer = p.start(t, c, false)
	c.denied(t, allowed, "0x2")
	if hash, err = c.send(t, allowed, "0x1"); err != nil {
		t.Fatal(err)
	}
	c.mined(t, hash, types.DynamicFeeTxType)
	c.denied(t, allowed, "0x1")

	// Nothing in the file approves messages.
	var signature hexutil.Bytes
	if err := c.node.RPC().CallContext(t.Context(), &signature, "eth_sign", c.account, "0x01"); err == nil || !strings.Contains(err.Error(), "request denied") {
		t.Errorf("eth_sign: %v, want request denied", err)
	}

	verified, err := exec.CommandContext(t.Context(), p.kvclef, "audit", "verify", "--datadir", c.signer.DataDir()).CombinedOutput()
	if err != nil {
		t.Errorf("audit log: %v\n%s", err, verified)
	}
	released, err := os.ReadFile(filepath.Join(c.signer.DataDir(), "audit.log"))
	if err != nil || strings.Count(string(released), `"released":true,`) == 0 || strings.Count(string(released), `"signature_hash":`) != 2 {
		t.Errorf("want two signatures in the audit log (%v):\n%s", err, released)
	}
}

// send has geth send wei to an address.
func (c *chain) send(t *testing.T, to common.Address, wei string) (hash common.Hash, err error) {
	t.Helper()
	err = c.node.RPC().CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": c.account, "to": to, "value": wei})
	return hash, err
}

// denied has geth try to send what the rules refuse.
func (c *chain) denied(t *testing.T, to common.Address, wei string) {
	t.Helper()
	if _, err := c.send(t, to, wei); err == nil || !strings.Contains(err.Error(), "request denied") {
		t.Errorf("%s wei to %s: %v, want request denied", wei, to, err)
	}
}
