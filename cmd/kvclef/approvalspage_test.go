package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// cunning is text that means to do more than be read: it moves the cursor, colours,
// turns the direction, hides, and is a script to a browser.
const cunning = "a\x1b[2J\x1b]0;x\a\u009b31m\u202egnp\u2066\u200b\u3164\u00a0<script>alert(1)</script>\r\n  to  0x1"

// shop is an address that has names.
func shop() common.Address { return common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266") }

// usdc is the address of a token.
func usdc() common.Address { return common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48") }

// payment is a subject of a transaction.
func payment(change func(*approval.Subject)) *approval.Subject {
	to := shop()
	s := &approval.Subject{
		Kind: "transaction", Method: "account_signTransaction", Principal: "local", Vault: "kv-prod", Key: "treasury", Version: "0123",
		Account: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7"), ChainID: "1", Digest: common.HexToHash("0xd1"),
		Transaction: &approval.Transaction{
			Type: 2, To: &to, Value: "1500000000000000000", Nonce: "7", Gas: "21000", FeeCap: "30000000000", TipCap: "1000000000", MaxFee: "630000000000000",
		},
	}
	if change != nil {
		change(s)
	}
	return s
}

// tickets are those whose pages are kept in testdata/tickets.
func tickets() map[string]*approval.Subject {
	return map[string]*approval.Subject{
		"transfer": payment(func(s *approval.Subject) { s.Filled = []string{"gas", "nonce"} }),
		"call": payment(func(s *approval.Subject) {
			to := usdc()
			s.Transaction.To, s.Transaction.Value, s.Transaction.Data = &to, "0", common.FromHex("0x095ea7b3000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266"+strings.Repeat("f", 64))
			s.Call = &approval.Call{Method: "approve(address,uint256)", Arguments: []approval.Argument{
				{Type: "address", Value: shop().Hex()},
				{Type: "uint256", Value: "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
			}}
			s.Findings = []approval.Finding{{Type: "Info", Text: "it is decoded"}, {Type: "WARNING", Text: "odd" + cunning}}
		}),
		"amount": payment(func(s *approval.Subject) {
			to := usdc()
			s.Transaction.To, s.Transaction.Value, s.Transaction.Data = &to, "0", common.FromHex("0xa9059cbb")
			s.Call = &approval.Call{Method: "transfer(address,uint256)", Arguments: []approval.Argument{
				{Type: "address", Value: shop().Hex()}, {Type: "uint256", Value: "1234567"}, {Type: "address[]", Value: `["` + usdc().Hex() + `"]`}, {Type: "string", Value: cunning},
			}}
		}),
		"creation": payment(func(s *approval.Subject) {
			s.Transaction.To, s.Transaction.Data = nil, bytes.Repeat([]byte{0x60}, 3000)
			s.Transaction.Type, s.Transaction.GasPrice, s.Transaction.FeeCap, s.Transaction.TipCap = 0, "1", "", ""
		}),
		"undecoded": payment(func(s *approval.Subject) { s.Transaction.Data = common.FromHex("0xdeadbeef") }),
		"setcode": payment(func(s *approval.Subject) {
			authority := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
			s.Transaction.Type = 4
			s.Transaction.Authorizations = []approval.Authorization{
				{Authority: &authority, Code: shop(), ChainID: "0", Nonce: "1"}, {Code: common.Address{}, ChainID: "10", Nonce: "2"},
			}
			s.Transaction.AccessList = types.AccessList{{Address: usdc(), StorageKeys: []common.Hash{{}}}}
			s.Transaction.Blobs, s.Transaction.BlobFeeCap = []common.Hash{common.HexToHash("0x01b1")}, "1"
		}),
		"typed": payment(func(s *approval.Subject) {
			s.Kind, s.Transaction, s.Method = "typed data", nil, "account_signTypedData"
			s.TypedData = json.RawMessage(`{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"}],
				"Permit":[{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"legs","type":"Leg[]"},{"name":"gone","type":"bool"},{"name":"big","type":"int64"}],
				"Leg":[{"name":"note","type":"string"},{"name":"on","type":"bool"},{"name":"matrix","type":"uint8[2][]"}]},
				"primaryType":"Permit","domain":{"name":` + quoted(cunning) + `,"chainId":"0x1","version":"","salt":"0x12"},
				"message":{"spender":"` + strings.ToLower(shop().Hex()) + `","value":"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
				"legs":[{"note":"two\nlines","on":true,"matrix":[[1,"0x02"]]}],"big":-5,"extra":` + quoted(cunning) + `}}`)
		}),
		"message": payment(func(s *approval.Subject) {
			s.Kind, s.Transaction, s.Method, s.ContentType, s.ChainID = "text", nil, "account_signData", "text/plain", ""
			s.Messages, s.Preimage = []approval.Message{{Name: "message", Type: "text/plain", Value: cunning}}, []byte(cunning)
		}),
		"payload": payment(func(s *approval.Subject) {
			s.Kind, s.Transaction, s.Payload = "block payload", nil, &approval.Payload{Domain: make([]byte, 32), Hash: common.HexToHash("0x5e")}
		}),
		"list": {Kind: "list", Method: "account_list", Principal: cunning, Accounts: []common.Address{shop()}},
	}
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}

// shownOf is a ticket as a client has it.
func shownOf(t *testing.T, subject *approval.Subject) *approvals.Shown {
	t.Helper()
	raw, err := json.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ticket := &approval.Ticket{State: approval.StateOpen, Hash: common.HexToHash("0xaa"), Content: approval.Content{
		ID: "abcdefgh234567ab", Opened: opened, Deadline: opened.Add(30 * time.Minute), Subject: raw, Rule: "large", Reason: "finance must approve" + cunning,
		Explain: "why", Policy: common.HexToHash("0xbb"), Request: "R1", Transport: "http", Remote: "127.0.0.1:1", UserAgent: cunning,
		Quorums: []rules.Quorum{
			{Group: "finance", Threshold: 2, Of: []string{"alice", "bob", "carol"}}, {Group: "board", Threshold: 1, Of: []string{"alice", "dave"}, Requester: true},
		},
		Charges: []approval.Charge{
			{Limit: "day", Amount: "5", Cap: "10", Window: 24 * time.Hour}, {Limit: "hour", Amount: "5", Window: 90 * time.Minute},
		},
	}}
	ticket.Votes = []approval.Vote{{Person: "alice", Approve: true, Comment: "fine" + cunning, Time: opened.Add(time.Minute), Way: "terminal"}}
	names := sheet.Names{
		shop().Hex(): {{Kind: sheet.NameOfAccount, Name: "shop"}, {Kind: sheet.NameOfList, Name: "ours"}},
		usdc().Hex(): {{Kind: sheet.NameOfToken, Name: "USDC", Chain: 1, Standard: "erc20", Decimals: 6}, {Kind: sheet.NameOfToken, Name: "FAKE", Chain: 10}},
		"0x71562b71999873DB5b286dF957af199Ec94617F7": {{Kind: sheet.NameOfKey, Name: "kv-prod/treasury"}},
	}
	return &approvals.Shown{Ticket: ticket, View: approvals.View{Names: names, Chains: map[string]string{"1": "main"}, Now: opened.Add(5 * time.Minute)}}
}

// TestTicketPages compares what people see with what was seen before. With
// UPDATE_TICKETS=1 the pages are written anew, to be looked at.
func TestTicketPages(t *testing.T) {
	for name, subject := range tickets() {
		page, err := ticketPage(shownOf(t, subject), false, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join("testdata", "tickets", name+".txt")
		if os.Getenv("UPDATE_TICKETS") != "" {
			if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || page != string(want) {
			t.Errorf("%s: %v\n%s", name, err, page)
		}
		if i := strings.IndexFunc(page, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) || r == '\u3164' }); i >= 0 {
			t.Errorf("%s: %q at byte %d", name, page[i:min(i+8, len(page))], i)
		}
		if _, rest, found := strings.Cut(page, "\n  to  0x1"); found {
			t.Errorf("%s: a text passes for a fact: %s", name, rest)
		}
	}
}

// TestTicketPageWhole: nothing is left out with --full, and it is said without.
func TestTicketPageWhole(t *testing.T) {
	shown := shownOf(t, tickets()["creation"])
	short, err := ticketPage(shown, false, true)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := ticketPage(shown, true, true)
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("60", 3000)
	if strings.Contains(short, data) || !strings.Contains(short, "(4002 more characters)") || !strings.Contains(short, "--full shows it") {
		t.Error("what is left out is not told")
	}
	if !strings.Contains(whole, data) || strings.Contains(whole, "--full") || !strings.Contains(whole, "\x1b[1;31m! nobody") {
		t.Error("with --full something is left out, or there are no colours")
	}
}

// TestPlainJSON: what goes to a terminal as JSON is inert, and means the same.
func TestPlainJSON(t *testing.T) {
	text := cunning + "\U000e0100 🦀 é"
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	plain := plainJSON(encoded)
	if i := strings.IndexFunc(plain, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("%q at byte %d of %s", plain[i:], i, plain)
	}
	var back string
	if err := json.Unmarshal([]byte(plain), &back); err != nil || back != text {
		t.Errorf("%q, %v", back, err)
	}
}
