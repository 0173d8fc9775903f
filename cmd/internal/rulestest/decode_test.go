package rulestest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	one, two := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7"), common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	local := rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}
	list := Request{Method: "account_list", Params: json.RawMessage(`[]`)}
	for _, tt := range []struct {
		name, text string
		want       Case
	}{
		{"bare request", `{"jsonrpc":"2.0","id":7,"method":"account_list","params":[]}`, Case{Steps: []Step{
			{Request: list, Caller: local, Expect: Expect{Verdict: Approve}},
		}}},
		{"bare request without parameters", `{"method":"account_list"}`, Case{Steps: []Step{
			{Request: Request{Method: "account_list"}, Caller: local, Expect: Expect{Verdict: Approve}},
		}}},
		{"case", `{"name":"n","chain_id":10,"advanced":true,"accounts":["0x71562b71999873db5b286df957af199ec94617f7"],` +
			`"storage":{"a":"b"},"caller":{"origin":"https://x"},"time":"2026-01-31T23:59:00Z",` +
			`"request":{"method":"account_list","params":[]},` +
			`"expect":{"verdict":"reject","rule":"r","reason":"why","console":[],"storage":{"a":""},"listed":["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}}`, Case{
			Name: "n", ChainIDs: []uint64{10}, Advanced: true, Storage: map[string]string{"a": "b"},
			Accounts: []rules.Account{{Address: one, Vault: "test", Key: "key-1", Version: "1"}},
			Steps: []Step{{
				Request: list,
				Caller:  rules.Caller{Transport: "http", Remote: "127.0.0.1:50000", Local: "localhost:8550", Origin: "https://x"},
				Time:    time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC),
				Expect: Expect{
					Given: true, Verdict: Reject, Rule: "r", Reason: "why", Console: []string{},
					Storage: map[string]string{"a": ""}, Listed: []common.Address{two},
				},
			}},
		}},
		{"steps", `{"steps":[{"request":{"method":"account_list","params":[]}},` +
			`{"caller":{"transport":"ipc"},"request":{"method":"account_list","params":[]},"expect":{"console":["x"]}}],` +
			`"chain_id":[1,10],"caller":{"transport":"http","remote":"1.2.3.4:5","local":"h","user_agent":"u","origin":"o"},` +
			`"accounts":[{"address":"0x71562b71999873DB5b286dF957af199Ec94617F7","vault":"v","key":"k","version":"2","tags":{"t":"1"}},"f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}`, Case{
			ChainIDs: []uint64{1, 10},
			Accounts: []rules.Account{
				{Address: one, Vault: "v", Key: "k", Version: "2", Tags: map[string]string{"t": "1"}},
				{Address: two, Vault: "test", Key: "key-2", Version: "2"},
			},
			Steps: []Step{
				{Request: list, Caller: rules.Caller{Transport: "http", Remote: "1.2.3.4:5", Local: "h", UserAgent: "u", Origin: "o"}, Expect: Expect{Verdict: Approve}},
				{Request: list, Caller: local, Expect: Expect{Given: true, Verdict: Approve, Console: []string{"x"}}},
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const request = `"request":{"method":"account_list"}`
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", ``, "1:1: unexpected end of JSON input"},
		{"not JSON", "{\n  \"method\": account_list\n}", "2:13: invalid character 'a'"},
		{"two values", `{"method":"x"} {}`, "1:16: invalid character '{' after top-level value"},
		{"a text", `"x"`, `the file: want an object, not "x"`},
		{"a batch", `[{"method":"x"}]`, "put the requests of a batch into the steps of a case"},
		{"neither", `{"from":"0x1"}`, "from: unknown member: the members are accounts"},
		{"empty", `{}`, "neither a request, which has a method, nor a case"},
		{"misspelt", `{"requst":{}}`, "requst: unknown member; did you mean request"},
		{"misspelt in an expectation", `{` + request + `,"expect":{"verdikt":"approve"}}`, "expect.verdikt: unknown member; did you mean verdict"},
		{"misspelt in a step", `{"steps":[{` + request + `},{"requests":{}}]}`, "steps[1].requests: unknown member; did you mean request"},
		{"other case", `{"Request":{}}`, "Request: unknown member; did you mean request"},
		{"twice", `{` + request + `,` + request + `}`, "request: stands twice"},
		{"twice below", `{"storage":{"a":"1","a":"2"},` + request + `}`, "storage.a: stands twice"},
		{"twice in a bare request", `{"method":"a","method":"b"}`, "method: stands twice"},
		{"unknown in a bare request", `{"method":"a","chain_id":1}`, "chain_id: unknown member: the members are id, jsonrpc, method, params"},
		{"both", `{` + request + `,"steps":[]}`, "request and steps: a case has one of them"},
		{"no steps", `{"steps":[]}`, "steps: want 1 to 10000, not 0"},
		{"steps null", `{"steps":null}`, "steps: want a list, not null"},
		{"step without request", `{"steps":[{}]}`, "steps[0].request: missing"},
		{"expect beside steps", `{"steps":[{` + request + `}],"expect":{}}`, "expect, people and time stand in each of the steps"},
		{"no method", `{"request":{"params":[]}}`, "request.method: missing"},
		{"method no text", `{"request":{"method":1}}`, "request.method: want text in quotes, not 1"},
		{"verdict", `{` + request + `,"expect":{"verdict":"Approve"}}`, `expect.verdict: "Approve" is no verdict: want one of approve, reject, refer, withheld, refused, undecided, unasked; did you mean approve`},
		{"chain id in hexadecimal", `{` + request + `,"chain_id":"0x1"}`, `chain_id: want a chain id, a whole number from 1 without quotes, not "0x1"`},
		{"chain id 0", `{` + request + `,"chain_id":[1,0]}`, `chain_id[1]: want a chain id`},
		{"address", `{` + request + `,"accounts":["0x1"]}`, "accounts[0]: want an address, 0x and 40 hexadecimal digits"},
		{"account without address", `{` + request + `,"accounts":[{"key":"k"}]}`, "accounts[0]: no address"},
		{"accounts no list", `{` + request + `,"accounts":"0x"}`, "accounts: want a list"},
		{"storage of numbers", `{` + request + `,"storage":{"spent":12}}`, "storage.spent: want text in quotes, not 12"},
		{"transport", `{` + request + `,"caller":{"transport":"ws"}}`, `caller.transport: "ws" is neither ipc nor http`},
		{"remote over ipc", `{` + request + `,"caller":{"transport":"ipc","remote":"x"}}`, "caller: over ipc nothing is known of a caller"},
		{"caller no object", `{` + request + `,"caller":"ipc"}`, `caller: want an object, not "ipc"`},
		{"time", `{` + request + `,"time":"yesterday"}`, `time: want a time such as 2026-01-31T23:59:00Z, not "yesterday"`},
		{"advanced", `{` + request + `,"advanced":"yes"}`, `advanced: want true or false, not "yes"`},
		{"console", `{` + request + `,"expect":{"console":"x"}}`, `expect.console: want a list, not "x"`},
		{"listed", `{` + request + `,"expect":{"listed":["x"]}}`, `expect.listed[0]: want an address`},
		{"long", `{"` + strings.Repeat("x", 100) + `":1}`, "unknown member"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzDecode finds texts that crash the decoder, or that become a case that
// nothing could be tried with.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"method":"account_list","params":[]}`))
	f.Add([]byte(`{"steps":[{"request":{"method":"x"},"expect":{"console":[],"listed":[]}}],"storage":{"a":"b"}}`))
	f.Add([]byte(`{"request":{"method":"x"},"caller":{"transport":"ipc"},"time":"2026-01-31T23:59:00Z","chain_id":[1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err != nil {
			return
		}
		if len(c.Steps) == 0 {
			t.Fatal("a case without steps")
		}
		for _, step := range c.Steps {
			if step.Request.Method == "" || CheckVerdict(step.Expect.Verdict) != nil || step.Caller.Transport == "" {
				t.Fatalf("%+v", step)
			}
			step.Request.chainID()
		}
	})
}

func TestChainID(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]uint64{
		`[{"chainId":"0xa"}]`:                         10,
		`[{"chainId":"10"}]`:                          10,
		`["0x00","text",{"domain":{"chainId":8453}}]`: 8453,
		`[{"chainId":null}]`:                          1,
		`[{"chainId":"0x0"}]`:                         1,
		`[{"chainId":"x"}]`:                           1,
		`[{}]`:                                        1,
		`{"chainId":"0xa"}`:                           1,
		``:                                            1,
	} {
		if got := (Request{Params: json.RawMessage(params)}).chainID(); got != want {
			t.Errorf("%s: %d, want %d", params, got, want)
		}
	}
}
