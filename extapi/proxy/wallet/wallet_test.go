package wallet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy"
)

var (
	ours   = common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
	theirs = common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
)

// scribe notes what it is asked for.
type scribe struct{ asked []string }

func (s *scribe) note(format string, args ...any) {
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
}

func (s *scribe) Send(_ context.Context, p *extapi.PartialTransaction, key string) (common.Hash, error) {
	s.note("send %v %v %q", p.From.Address(), p.HasNonce, key)
	return common.Hash{1}, nil
}

func (s *scribe) Sign(_ context.Context, method string, p *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	s.note("sign %s %v", method, p.From.Address())
	return &extapi.SignedTransaction{}, nil
}

func (s *scribe) Fill(_ context.Context, p *extapi.PartialTransaction) (*extapi.SignedTransaction, error) {
	s.note("fill %v", p.From.Address())
	return &extapi.SignedTransaction{}, nil
}

func (s *scribe) Accounts(_ context.Context, method string) ([]common.Address, error) {
	s.note("list %s", method)
	return []common.Address{ours}, nil
}

func (s *scribe) SignText(_ context.Context, method string, address common.Address, message []byte) (hexutil.Bytes, error) {
	s.note("text %s %v %x", method, address, message)
	return hexutil.Bytes{1}, nil
}

func (s *scribe) SignTypedData(_ context.Context, method string, address common.Address, document json.RawMessage) (hexutil.Bytes, error) {
	s.note("typed %s %v %s", method, address, document)
	return hexutil.Bytes{2}, nil
}

func (s *scribe) CallContext(_ context.Context, result any, method string, args ...any) error {
	if list, ok := result.(*[]common.Address); ok {
		*list = []common.Address{theirs, ours}
		return nil
	}
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	s.note("node %s %s", method, text)
	return json.Unmarshal([]byte(`"the node's"`), result)
}

func newWallet(node Node) (map[string]proxy.Method, *scribe) {
	s := new(scribe)
	if node != nil {
		node = s
	}
	return Methods(Config{
		Outbox: s, Signatory: s, Node: node,
		Holds: func(_ context.Context, account common.Address) bool { return account == ours },
	}), s
}

// TestHandedOn: each call reaches what answers it with what the caller gave.
func TestHandedOn(t *testing.T) {
	mine, other := `"`+strings.ToLower(ours.Hex())+`"`, `"`+theirs.Hex()+`"`
	for _, c := range []struct {
		forwards     bool
		method, args string
		want         string // what is asked; "-": an error that begins with what follows
	}{
		{false, "eth_accounts", ``, "list eth_accounts"},
		{false, "eth_accounts", `null`, "list eth_accounts"},
		{false, "eth_accounts", `[1]`, "-too many arguments"},
		{false, "eth_sendTransaction", `[{"from":` + mine + `}]`, "send " + ours.Hex() + ` false ""`},
		{false, "eth_sendTransaction", `[{"from":` + mine + `,"nonce":"0x0"},{"idempotencyKey":"a b"}]`, "send " + ours.Hex() + ` true "a b"`},
		{false, "eth_sendTransaction", `[{"from":` + mine + `},null]`, "send " + ours.Hex() + ` false ""`},
		{false, "eth_sendTransaction", `[{"from":` + mine + `},{"idempotencyKey":""}]`, "-invalid argument 1: want"},
		{false, "eth_sendTransaction", `[{"from":` + mine + `},{"idempotencykey":"a","key":1}]`, "-invalid argument 1: want"},
		{false, "eth_sendTransaction", `[{"from":` + other + `}]`, "send " + theirs.Hex() + ` false ""`}, // which refuses it
		{true, "eth_sendTransaction", `[{"from":` + other + `}]`, `node eth_sendTransaction [{"from":` + other + `}]`},
		{true, "eth_sendTransaction", `[{"from":` + other + `},{"idempotencyKey":"a"}]`, "-an idempotency key is for accounts of the vault"},
		{true, "eth_sendTransaction", `[{"from":` + mine + `}]`, "send " + ours.Hex() + ` false ""`},
		{false, "eth_sendTransaction", `[{"to":` + mine + `}]`, "-unknown account"},
		{false, "eth_sendTransaction", `[{"from":` + mine + `,"feePayer":"0x1"}]`, `-invalid argument 0: unknown member "feePayer"`},
		{false, "eth_sendTransaction", `[]`, "-missing value for required argument 0"},
		{false, "eth_sendTransaction", `{"from":` + mine + `}`, "-non-array args"},
		{false, "eth_sendTransaction", `[{},{},{}]`, "-too many arguments, want at most 2"},
		{false, "eth_signTransaction", `[{"from":` + mine + `}]`, "sign eth_signTransaction " + ours.Hex()},
		{true, "eth_signTransaction", `[{"from":` + other + `}]`, `node eth_signTransaction [{"from":` + other + `}]`},
		{false, "eth_fillTransaction", `[{"from":` + mine + `}]`, "fill " + ours.Hex()},
		{true, "eth_fillTransaction", `[{"from":` + other + `}]`, `node eth_fillTransaction [{"from":` + other + `}]`},
		{false, "eth_sign", `[` + mine + `,"0x0102"]`, "text eth_sign " + ours.Hex() + " 0102"},
		{false, "eth_sign", `[` + mine + `,"hello"]`, "-invalid argument 1: "},
		{false, "eth_sign", `["0x0102",` + mine + `]`, "-invalid argument 0: "},
		{false, "eth_sign", `[null,"0x"]`, "-missing value for required argument 0"},
		{true, "eth_sign", `[` + other + `,"0x0102"]`, `node eth_sign [` + other + `,"0x0102"]`},
		{false, "personal_sign", `["0x0102",` + mine + `,"hunter2"]`, "text personal_sign " + ours.Hex() + " 0102"},
		{false, "eth_signTypedData_v4", `[` + mine + `,{"a":1}]`, "typed eth_signTypedData_v4 " + ours.Hex() + ` {"a":1}`},
		{false, "eth_signTypedData", `[` + mine + `,"{}"]`, "typed eth_signTypedData " + ours.Hex() + ` "{}"`},
		{true, "eth_signTypedData_v3", `[` + other + `,{}]`, `node eth_signTypedData_v3 [` + other + `,{}]`},
	} {
		var node Node
		if c.forwards {
			node = new(scribe)
		}
		methods, asked := newWallet(node)
		_, err := methods[c.method](t.Context(), json.RawMessage(c.args))
		if text, wantErr := strings.CutPrefix(c.want, "-"); wantErr {
			if err == nil || !strings.HasPrefix(err.Error(), text) || len(asked.asked) > 0 {
				t.Errorf("%s %s: %v, asked %q; want an error %q", c.method, c.args, err, asked.asked, text)
			}
			continue
		}
		if got := strings.Join(asked.asked, "; "); err != nil || got != c.want {
			t.Errorf("%s %s: asked %s, %v; want %s", c.method, c.args, got, err, c.want)
		}
	}
}

// TestAccountsOfTheNode: they follow the vault's, none of them twice.
func TestAccountsOfTheNode(t *testing.T) {
	methods, _ := newWallet(new(scribe))
	got, err := methods["eth_accounts"](t.Context(), nil)
	if list, ok := got.([]common.Address); err != nil || !ok || !slices.Equal(list, []common.Address{ours, theirs}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTwoKeys: a header and an option that differ are a mistake.
func TestTwoKeys(t *testing.T) {
	methods, asked := newWallet(nil)
	ctx := proxy.WithIdempotencyKey(t.Context(), "a")
	call := func(option string) error {
		_, err := methods["eth_sendTransaction"](ctx, json.RawMessage(`[{"from":"`+ours.Hex()+`"},{"idempotencyKey":"`+option+`"}]`))
		return err
	}
	var coded rpc.Error
	if err := call("b"); !errors.As(err, &coded) || coded.ErrorCode() != codeInvalidParams {
		t.Errorf("%v", err)
	}
	if err := call("a"); err != nil || len(asked.asked) != 1 || !strings.HasSuffix(asked.asked[0], `"a"`) {
		t.Errorf("%v, %q", err, asked.asked)
	}
}
