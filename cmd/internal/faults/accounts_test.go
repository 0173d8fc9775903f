package faults_test

import (
	"bufio"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/cmd/internal/relay"
	"github.com/kvclef/kvclef/extapi/audit"
)

func chainSigner() types.Signer { return types.LatestSignerForChainID(big.NewInt(devnet.ChainID)) }

// signed reads from the audit log the digests that were signed, and checks the log.
func (s *stage) signed(t *testing.T) []string {
	t.Helper()
	if out, err := s.front.Run(t.Context(), "audit", "verify"); err != nil {
		t.Errorf("the audit log: %v: %s", err, out)
	}
	file, err := os.Open(s.front.AuditLog())
	ok(t, err)
	defer file.Close()
	digests := make(map[string]string) // by request
	var signed []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry audit.Entry
		ok(t, json.Unmarshal(lines.Bytes(), &entry))
		switch entry.Event {
		case audit.EventDecision:
			digests[entry.Request] = entry.Digest
		case audit.EventOutcome:
			if entry.Outcome == "signed" && digests[entry.Request] != "" {
				signed = append(signed, digests[entry.Request])
			}
		default:
		}
	}
	ok(t, lines.Err())
	return signed
}

// kept is a part of what kvclef tx list and tx show tell.
type kept struct {
	Hash    common.Hash   `json:"hash"`
	State   string        `json:"state"`
	Raw     hexutil.Bytes `json:"raw"`
	Running bool          `json:"running"`
}

// list asks kvclef for its transactions.
func (s *stage) list(t *testing.T, flags ...string) []kept {
	t.Helper()
	out, err := s.front.Run(t.Context(), append([]string{"tx", "list", "--json", "--account", s.account.Hex()}, flags...)...)
	ok(t, err)
	var listing struct {
		Transactions []kept `json:"transactions"`
	}
	ok(t, json.Unmarshal([]byte(out), &listing))
	return listing.Transactions
}

// show asks kvclef for one transaction. Its bytes are those of its hash.
func (s *stage) show(t *testing.T, hash common.Hash) (kept, *types.Transaction) {
	t.Helper()
	out, err := s.front.Run(t.Context(), "tx", "show", hash.Hex(), "--json")
	ok(t, err)
	var shown kept
	ok(t, json.Unmarshal([]byte(out), &shown))
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(shown.Raw); err != nil || tx.Hash() != hash {
		t.Fatalf("the bytes of %s are %s, %v", hash, shown.Raw, err)
	}
	if raw, err := s.front.Run(t.Context(), "tx", "show", hash.Hex(), "--raw"); err != nil || strings.TrimSpace(raw) != shown.Raw.String() {
		t.Errorf("--raw prints %q, %v", raw, err)
	}
	return shown, tx
}

// accounted checks that every signature is found as a transaction: in a block or in
// the pool, which the node is asked for directly, or else in what kvclef shows.
func (s *stage) accounted(t *testing.T) {
	t.Helper()
	found := make(map[string]bool)
	for _, entry := range s.list(t, "--all") {
		tx, _, err := s.direct().TransactionByHash(t.Context(), entry.Hash)
		if err != nil {
			_, tx = s.show(t, entry.Hash)
		}
		found[chainSigner().Hash(tx).Hex()] = true
	}
	signed := s.signed(t)
	for _, digest := range signed {
		if !found[digest] {
			t.Errorf("a transaction with the digest %s was signed, and is nowhere", digest)
		}
	}
	if len(signed) < len(s.told) {
		t.Errorf("%d payments were told, and %d signed", len(s.told), len(signed))
	}
}

// back ends all faults, with the node away for a moment: when it is back, kvclef looks
// at once for all that is under way.
func (s *stage) back(t *testing.T) {
	t.Helper()
	const look = "eth_blockNumber"
	s.relay.Heal()
	s.relay.Fail(look, relay.Fault{Withheld: true, End: relay.Resets})
	before := s.relay.Seen(look)
	eventually(t, "kvclef looks at the chain", func() bool { return s.relay.Seen(look) > before })
	s.relay.Heal()
}

// settled ends all faults, waits until all that was told is mined, and reads the chain: each payment is
// there once, under the hash that was told, and one that was not told is not. kvclef
// finds out, too.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	s.back(t)
	for _, hash := range s.told {
		eventually(t, "payment "+hash.Hex(), func() bool {
			receipt, err := s.direct().TransactionReceipt(t.Context(), hash)
			return err == nil && receipt.Status == types.ReceiptStatusSuccessful
		})
	}
	s.accounted(t)
	head, err := s.direct().BlockNumber(t.Context())
	ok(t, err)
	nonce, counts := uint64(0), make(map[int64]int)
	for number := uint64(1); number <= head; number++ {
		block, err := s.direct().BlockByNumber(t.Context(), new(big.Int).SetUint64(number))
		ok(t, err)
		for _, tx := range block.Transactions() {
			if sender, err := types.Sender(chainSigner(), tx); err != nil || sender != s.account {
				continue
			}
			if tx.Nonce() != nonce {
				t.Errorf("nonce %d follows %d", tx.Nonce(), nonce)
			}
			nonce++
			value := tx.Value().Int64()
			if counts[value]++; counts[value] > 1 || s.told[value] != tx.Hash() {
				t.Errorf("payment %d is %s, the %d. on the chain, and %s was told", value, tx.Hash(), counts[value], s.told[value])
			}
		}
	}
	if len(counts) != len(s.told) {
		t.Errorf("%d payments are on the chain, and %d were told", len(counts), len(s.told))
	}
	eventually(t, "nothing is under way any more", func() bool { return len(s.list(t)) == 0 })
}
