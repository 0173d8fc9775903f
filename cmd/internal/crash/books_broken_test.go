package crash_test

import (
	"crypto/ecdsa"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
)

// history is a run as it should be: two transactions, one of them given to a
// client, and a crash before the outcome of the second.
type history struct {
	entries []audit.Entry
	given   []*types.Transaction
	storage map[string]string
	asked   []string // digests
}

func newHistory(t *testing.T, key *ecdsa.PrivateKey) *history {
	t.Helper()
	to := common.HexToAddress("0x1234")
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), To: &to, Value: big.NewInt(60), GasFeeCap: new(big.Int), GasTipCap: new(big.Int),
	})
	if err != nil {
		t.Fatal(err)
	}
	digest, yes := types.LatestSignerForChainID(tx.ChainId()).Hash(tx).Hex(), true
	return &history{
		entries: []audit.Entry{
			{Event: audit.EventStart},
			{Event: audit.EventDecision, Request: "a", Verdict: "approve", To: to.Hex(), Value: "60", Digest: digest},
			{Event: audit.EventDecision, Request: "b", Verdict: "approve", To: to.Hex(), Value: "30", Digest: "0xb"},
			{Event: audit.EventOutcome, Request: "a", Outcome: "signed", Released: &yes, SignatureHash: signatureHash(tx), Digest: digest},
		},
		given:   []*types.Transaction{tx},
		storage: map[string]string{strings.ToLower(to.Hex()): "90"},
		asked:   []string{digest, "0xb"},
	}
}

// examine returns what the books say of the history.
func (h *history) examine(b *books) error {
	for i, entry := range h.entries {
		if entry.Seq == 0 {
			entry.Seq = uint64(i + 1)
		}
		if err := b.enter(entry); err != nil {
			return err
		}
	}
	for _, tx := range h.given {
		if err := b.receive(tx); err != nil {
			return err
		}
	}
	return b.balance(h.storage, h.asked)
}

// TestBooksNotice: what must never happen would be found if it did.
func TestBooksNotice(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		doctor func(h *history)
		want   string // "": nothing to find
	}{
		{"as it should be", func(*history) {}, ""},
		{"no entry of the release", func(h *history) { h.entries = h.entries[:3] }, "the log has no entry of its release"},
		{"the entry says withheld", func(h *history) { no := false; h.entries[3].Released = &no }, "the log has no entry of its release"},
		{"another signature is recorded", func(h *history) { h.entries[3].SignatureHash = "0x1" }, "the log has no entry of its release"},
		{"of another digest", func(h *history) { h.entries[1].Digest, h.entries[3].Digest = "0x2", "0x2" }, "the log has the digest 0x2"},
		{"an outcome without a decision", func(h *history) { h.entries[1].Request = "c" }, "was not approved before"},
		{"an outcome of a refusal", func(h *history) { h.entries[1].Verdict = "reject" }, "was not approved before"},
		{"an outcome of another digest", func(h *history) { h.entries[3].Digest = "0x3" }, "and the approval 2 has"},
		{"an outcome in the next life", func(h *history) { h.entries[2] = h.entries[0] }, "was not approved before"},
		{"released unsigned", func(h *history) { h.entries[3].Outcome = "unknown" }, "says that a signature was released"},
		{"a gap", func(h *history) { h.entries[3].Seq = 5 }, "entry 5 follows entry 3"},
		{"a request refused before it is judged", func(h *history) { h.entries[2] = audit.Entry{Event: audit.EventRefused} }, `entry 3 is "refused"`},
		{"the vault is asked before the decision is recorded", func(h *history) { h.asked = append(h.asked, "0xc") }, "the log has no approval of it"},
		{"a count is lost", func(h *history) { clear(h.storage) }, "60 wei, and the storage counts 0"},
		{"the count of an approval is lost", func(h *history) { h.storage[strings.ToLower(h.given[0].To().Hex())] = "60" }, "90 wei are approved, and the storage counts 60"},
		{"over the limit", func(h *history) { h.storage[strings.ToLower(h.given[0].To().Hex())] = "101" }, "counts 101 wei, and the limit is 100"},
		{"sent over the limit", func(h *history) { h.entries[1].Value = "101" }, "was sent 101 wei, and its limit is 100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory(t, key)
			tt.doctor(h)
			err := h.examine(newBooks(crypto.PubkeyToAddress(key.PublicKey), limit, true))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	stranger, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := newHistory(t, stranger).examine(newBooks(crypto.PubkeyToAddress(key.PublicKey), limit, true)); err == nil {
		t.Error("the signature of a stranger is taken for the account's")
	}
}
