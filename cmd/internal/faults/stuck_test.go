package faults_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// thrifty allows payments that cost little, and nothing else: a replacement must keep
// to it, too.
const thrifty = `version: 1
rules:
  - id: thrifty
    effect: allow
    match: {kind: transaction, method: eth_sendTransaction, to: ["` + recipient + `", self], plain: true, value_max: 1 ether, gas_max: 100000, fee_cap_max: 10 gwei}
    limits:
      - {measure: value, max: 1000 ether, window: 24h}
  - id: accounts
    effect: allow
    match: {kind: list}
`

// TestStuck has payments that no block takes, and what an operator does about them:
// one is sent again with higher fees, another is taken back; and the rules decide
// about both.
func TestStuck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	s := w.newStageWith(t, thrifty)
	s.start(t)
	slow, unwanted := s.offer(t, 1, "0x3b9aca00"), s.offer(t, 2, "0x3b9aca00") // 1 gwei
	eventually(t, "both are in the pool", func() bool { return len(s.list(t)) == 2 })

	s.tooDear(t, slow)
	quick := s.replaced(t, "bump", slow, "--percent", "50")
	empty := s.replaced(t, "cancel", unwanted)
	if shown, tx := s.show(t, quick); tx.Value().Int64() != 1 || tx.GasFeeCap().Int64() < 1_500_000_000 || shown.State == "rejected" {
		t.Errorf("sent again: %+v, %v", shown, tx)
	}
	if _, tx := s.show(t, empty); tx.Value().Sign() != 0 || *tx.To() != s.account || tx.Nonce() != 1 {
		t.Errorf("taken back by %v", tx)
	}

	w.mine(t)
	for _, hash := range []common.Hash{quick, empty} {
		eventually(t, hash.Hex()+" is mined", func() bool {
			receipt, err := s.direct().TransactionReceipt(t.Context(), hash)
			return err == nil && receipt.Status == 1
		})
	}
	for hash, state := range map[common.Hash]string{slow: "replaced", unwanted: "replaced", quick: "mined", empty: "mined"} {
		eventually(t, hash.Hex()+" is "+state, func() bool { return s.stateOf(t, hash) == state || state == "mined" && s.stateOf(t, hash) == "final" })
	}
	if _, err := s.front.Run(t.Context(), "tx", "bump", quick.Hex()); err == nil || !strings.Contains(err.Error(), "not under way") {
		t.Errorf("a mined one is sent again: %v", err)
	}
	s.accounted(t)
}

// tooDear asks for fees beyond the policy: the refusal leads to the rule that sets the
// bound.
func (s *stage) tooDear(t *testing.T, hash common.Hash) {
	t.Helper()
	out, err := s.front.Run(t.Context(), "tx", "bump", hash.Hex(), "--percent", "2000")
	if err == nil {
		t.Fatalf("fees beyond the policy: %s", out)
	}
	_, command, found := strings.Cut(err.Error(), "request denied: no rule allows it; kvclef ")
	request, _, told := strings.Cut(strings.TrimPrefix(command, "audit show "), " tells why")
	if !found || !told {
		t.Fatalf("fees beyond the policy: %v", err)
	}
	why, err := s.front.Run(t.Context(), "audit", "show", request)
	ok(t, err)
	if !strings.Contains(why, "rule thrifty") || !strings.Contains(why, "wants at most 10 gwei, got 21 gwei") {
		t.Errorf("why: %s", why)
	}
}

// offer asks for a payment with a price of the caller's.
func (s *stage) offer(t *testing.T, value uint64, price string) (hash common.Hash) {
	t.Helper()
	ok(t, client(t, s.front.URL()).CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{
		"from": s.account, "to": recipient, "value": hexutil.Uint64(value), "maxFeePerGas": price, "maxPriorityFeePerGas": "0x1",
	}))
	return hash
}

// replaced runs a command of kvclef tx, and returns the hash that it prints.
func (s *stage) replaced(t *testing.T, command string, hash common.Hash, flags ...string) common.Hash {
	t.Helper()
	out, err := s.front.Run(t.Context(), append([]string{"tx", command, hash.Hex()}, flags...)...)
	ok(t, err)
	made := common.HexToHash(strings.TrimSpace(out))
	if made == (common.Hash{}) || made == hash {
		t.Fatalf("tx %s prints %q", command, out)
	}
	return made
}

// stateOf is what kvclef tells of a transaction.
func (s *stage) stateOf(t *testing.T, hash common.Hash) string {
	t.Helper()
	for _, tx := range s.list(t, "--all") {
		if tx.Hash == hash {
			return tx.State
		}
	}
	return ""
}
