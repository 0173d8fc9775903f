package approval_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestArgumentTexts: bytes are hexadecimal wherever they are, and small numbers are
// not taken for them.
func TestArgumentTexts(t *testing.T) {
	t.Parallel()
	type leg struct {
		Name0 []byte
		Name1 common.Address
		Name2 *big.Int
		Name3 string
		Name4 bool
	}
	who := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	for _, c := range []struct {
		typ   string
		value any
		want  string
	}{
		{"bytes", []byte{1, 0xff}, "0x01ff"},
		{"bytes", []byte{}, "0x"},
		{"bytes32", [32]byte{31: 7}, "0x" + strings.Repeat("00", 31) + "07"},
		{"bytes4", [4]byte{9, 0x5e, 0xa7, 0xb3}, "0x095ea7b3"},
		{"bytes[]", [][]byte{{0xa9}, {}}, `["0xa9","0x"]`},
		{"bytes[]", [][]byte{}, `[]`},
		{"bytes32[2]", [2][32]byte{{0: 1}}, `["0x01` + strings.Repeat("00", 31) + `","0x` + strings.Repeat("00", 32) + `"]`},
		{"bytes4[][1]", [1][][4]byte{{{1, 2, 3, 4}}}, `[["0x01020304"]]`},
		{"uint8[]", []uint8{1, 255}, `[1,255]`},
		{"uint8[2][]", [][2]uint8{{1, 2}}, `[[1,2]]`},
		{"uint256[]", []*big.Int{new(big.Int).Lsh(big.NewInt(1), 255)}, "[" + new(big.Int).Lsh(big.NewInt(1), 255).String() + "]"},
		{"address[]", []common.Address{who}, `["` + who.Hex() + `"]`},
		{"(bytes,address,uint256,string,bool)[]", []leg{{[]byte{0xa9}, who, big.NewInt(5), `"x`, true}}, `[["0xa9","` + who.Hex() + `",5,"\"x",true]]`},
		{"((bytes,uint8[])[],bytes1)", struct {
			Name0 []struct {
				Name0 []byte
				Name1 []uint8
			}
			Name1 [1]byte
		}{[]struct {
			Name0 []byte
			Name1 []uint8
		}{{[]byte{1}, []uint8{2}}}, [1]byte{3}}, `[[["0x01",[2]]],"0x03"]`},
		{"address", who, who.Hex()},
		{"uint256", big.NewInt(7), "7"},
		{"int8", int8(-7), "-7"},
		{"bool", true, "true"},
		{"string", "0xplain", "0xplain"},
		{"string", nil, "null"},
	} {
		if got := approval.ArgumentText(c.typ, c.value); got != c.want {
			t.Errorf("%s: %s, want %s", c.typ, got, c.want)
		}
	}
}

// batch is a request with a list of bytes.
func batch(t *testing.T) *rules.Request {
	t.Helper()
	data := calldatatest.Pack(t, "multicall(bytes[])", [][]byte{{1, 2, 3, 4}})
	call, err := calldata.Decode("multicall(bytes[])", data)
	if err != nil {
		t.Fatal(err)
	}
	req := payment(0)
	req.Call = call
	req.Transaction = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, To: req.Transaction.To(), Data: data})
	req.Digest = types.LatestSignerForChainID(big.NewInt(1)).Hash(req.Transaction)
	return req
}

// TestTicketsOfAnEarlierVersion: what it showed in another way is what people vote on,
// and the request that waits finds it.
func TestTicketsOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	now := h.ask(t, batch(t), referral(finance()))
	id := now.Content.ID
	raw, err := h.records.Record(t.Context(), "ticket/"+id)
	if err != nil {
		t.Fatal(err)
	}
	var stored map[string]any
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	text, _ := stored["text"].(string)
	if !strings.Contains(text, `[\"0x01020304\"]`) {
		t.Fatalf("the ticket says %s", text)
	}
	stored["text"] = strings.Replace(text, `[\"0x01020304\"]`, `[\"AQIDBA==\"]`, 1)
	earlier, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.records.ChangeRecords(t.Context(), rules.Change{Key: "ticket/" + id, Old: raw, New: earlier}); err != nil {
		t.Fatal(err)
	}
	h.open(t, nil)

	if decision, hold := h.again(t, batch(t), referral(finance())); decision.Ticket != id || hold != nil || decision.Verdict != rules.Refer {
		t.Fatalf("an equal request: %+v, %v", decision, hold)
	}
	_, err = h.Vote(t.Context(), approval.Ballot{Ticket: id, Hash: now.Hash, Person: "alice", Approve: true, Way: "test"})
	if !errors.Is(err, approval.ErrStale) {
		t.Errorf("a vote on another text: %v", err)
	}
	if err := errors.Join(h.vote(t, id, "alice", true), h.vote(t, id, "bob", true)); err != nil {
		t.Fatal(err)
	}
	if decision, hold := h.again(t, batch(t), referral(finance())); decision.Verdict != rules.Approve || hold == nil {
		t.Errorf("after it was approved: %+v, %v", decision, hold)
	}

	// Other data is another request, however much of it is alike.
	other := batch(t)
	other.Call.Arguments = []any{[][]byte{{1, 2, 3, 5}}}
	other.Transaction = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, To: other.Transaction.To(), Data: calldatatest.Pack(t, "multicall(bytes[])", other.Call.Arguments...)})
	other.Digest = types.LatestSignerForChainID(big.NewInt(1)).Hash(other.Transaction)
	if decision, _ := h.again(t, other, referral(finance())); decision.Ticket != "" {
		t.Errorf("another request: %+v", decision)
	}
}
