package policysuggest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// nth is one of very many addresses.
func nth(n int) common.Address {
	var a common.Address
	binary.BigEndian.PutUint64(a[:], uint64(n)+1)
	return a
}

// TestManyOfEverything: what there is a lot of stays within bounds, and is said
// to be left out.
func TestManyOfEverything(t *testing.T) {
	t.Parallel()
	const n = 3000
	for name, tt := range map[string]struct {
		request func(l *log, i int) *rules.Request
		options policysuggest.Options
		covered int
		why     string
	}{
		"recipients": {func(l *log, i int) *rules.Request { to := nth(i); return l.tx(&to, 1, nil) }, policysuggest.Options{}, 0, "more recipients or contracts than a rule lists"},
		"recipients that are left open": {
			func(l *log, i int) *rules.Request { to := nth(i); return l.tx(&to, 1, nil) }, policysuggest.Options{Open: true}, n, "",
		},
		"recipients that are listed": {
			func(l *log, i int) *rules.Request { to := nth(i); return l.tx(&to, 1, nil) }, policysuggest.Options{Recipients: n}, n, "",
		},
		"contracts": {
			func(l *log, i int) *rules.Request { to := nth(i); return l.tx(&to, 0, []byte{1, 2, 3, 4}) }, policysuggest.Options{}, 191, "as many rules as it may",
		},
		"methods": {func(l *log, i int) *rules.Request {
			to := address("c")
			return l.tx(&to, 0, binary.BigEndian.AppendUint32(nil, uint32(i)+1<<24))
		}, policysuggest.Options{}, 191, "as many rules as it may"},
		"methods within": {func(l *log, i int) *rules.Request {
			to := address("c")
			return l.tx(&to, 0, pack(t, "multicall(bytes[])", [][]byte{binary.BigEndian.AppendUint32(nil, uint32(i)+1<<24)}))
		}, policysuggest.Options{}, 0, "too many different calls within the calls"},
		"codes": {func(l *log, i int) *rules.Request { return l.tx(nil, 0, fmt.Append(nil, i)) }, policysuggest.Options{Open: true}, 0, "more recipients or contracts"},
		"texts": {
			func(_ *log, i int) *rules.Request { return message(hot, fmt.Sprintf("%08d please", i)) }, policysuggest.Options{}, 191, "as many rules as it may",
		},
		"long texts": {
			func(_ *log, i int) *rules.Request {
				return message(hot, fmt.Sprintf("Please sign this: %d%s", i%5, strings.Repeat("日", 1000)))
			}, policysuggest.Options{}, n, "",
		},
		"sites": {
			func(_ *log, i int) *rules.Request { return signIn(hot, fmt.Sprintf("a%d.example", i), time.Time{}) }, policysuggest.Options{}, 191, "as many rules as it may",
		},
		"members": {func(_ *log, i int) *rules.Request {
			return typed(hot, 1, usdc, "Mail", map[string]string{"Mail": "address to"}, map[string]any{"to": nth(i).Hex()})
		}, policysuggest.Options{Open: true}, n, ""},
		"repeats":        {func(*log, int) *rules.Request { return once() }, policysuggest.Options{}, 256 + 256 + 3000 - 2*1440, "more than 256 times within 24 hours"},
		"absurd amounts": {func(l *log, _ int) *rules.Request { return absurd(l) }, policysuggest.Options{}, 3, "more than 256 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog()
			l.signed(ask(rules.KindList, common.Address{}))
			for i := range n {
				l.signed(tt.request(l, i))
			}
			draft := drafted(t, l, tt.options)
			if draft.Covered != tt.covered+1 {
				t.Errorf("%d requests are covered, not %d", draft.Covered, tt.covered+1)
			}
			if tt.why == "" != (len(draft.Others) == 0) || tt.why != "" && !strings.Contains(draft.Others[0].Why, tt.why) {
				t.Errorf("not covered: %+v", draft.Others)
			}
			if len(draft.Source) > 1<<20 {
				t.Errorf("the draft has %d bytes", len(draft.Source))
			}
		})
	}
}

// TestOneCallerLeavesRoom: whoever asks for a lot of different things leaves room for
// what others do.
func TestOneCallerLeavesRoom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		n       int
		request func(l *log, i int) *rules.Request
	}{
		"rules": {300, func(l *log, i int) *rules.Request { to := nth(i); return l.tx(&to, 0, []byte{1, 2, 3, 4}) }},
		"addresses": {2 * 9990, func(l *log, i int) *rules.Request {
			to := nth(i)
			req := l.tx(&to, 0, nil)
			req.Account.Address = []common.Address{hot, cold}[i%2]
			return req
		}},
	} {
		l := newLog()
		for i := range tt.n {
			req := tt.request(l, i)
			req.Principal, req.Caller.Transport = "anonymous", "http"
			l.signed(req)
		}
		for i := range 40 {
			l.signed(l.tx(&cold, 0, []byte{1, 2, 3, byte(i)}))
			to := nth(i)
			l.signed(l.tx(&to, 1, nil))
		}
		draft := drafted(t, l, policysuggest.Options{Recipients: 10_000})
		if got := strings.Count(string(draft.Source), "principal: [local]"); got != 41 {
			t.Errorf("%s: %d rules: %+v", name, got, draft.Others)
		}
	}
}

// once is the same request each time.
func once() *rules.Request {
	return transaction(hot, &types.LegacyTx{Nonce: 1, To: &cold, Value: big.NewInt(1), Gas: 21_000, GasPrice: big.NewInt(1), V: big.NewInt(0)})
}

func absurd(l *log) *rules.Request {
	req := l.tx(&cold, 0, nil)
	return transaction(hot, &types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: req.Transaction.Nonce(), To: &cold, Value: most(), Gas: 21_000, GasFeeCap: new(big.Int), GasTipCap: new(big.Int)})
}

// textLine is what a draft may have in a line: nothing that ends it.
var endsLine = regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f]|\r`)

// hostile are texts of callers.
func hostile() []string {
	return []string{
		"\"\nrules: []\n", "a: b # c", "- x", "{a: b}", "*alias", "&anchor", "!!tag", "null", "~", "true", "0x12", "'", "\"", "\\", "%", "@", "`", "\t",
		"\x00", "\x1b[2J", "\u202eevil", "\u2028", "\u0085", "\ufeff", "\U0001F600", "\U000e0041", "\ufffd", "\ufffe", strings.Repeat("#", 200), "日本語", " lead", "trail ", "\r\n",
	}
}

// TestHostileTexts: whatever a caller writes stands in the draft as a value that
// means this text, and nothing else.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	l := newLog()
	for _, text := range hostile() {
		req := typed(hot, 1, usdc, "Mail", map[string]string{"Mail": "address to"}, map[string]any{"to": cold.Hex()})
		req.TypedData.Domain.Name, req.TypedData.Domain.Version = text, text
		l.signed(req)
		l.signed(message(hot, text))
		l.signed(message(hot, text+" and more"))
		named := ask(rules.KindList, hot)
		named.Principal = text
		l.signed(named)
		keyed := l.tx(&cold, 1, nil)
		keyed.Account.Key = text
		l.signed(keyed)
	}
	for _, text := range []string{"\xff", strings.Repeat("x", 201)} {
		req := typed(hot, 1, usdc, "Mail", map[string]string{"Mail": "address to"}, map[string]any{"to": cold.Hex()})
		req.TypedData.Domain.Name = text
		l.signed(req)
		named := ask(rules.KindList, hot)
		named.Principal = text
		l.signed(named)
	}
	draft := drafted(t, l, policysuggest.Options{})
	if draft.Covered != 5*len(hostile()) {
		t.Errorf("%d are covered, and others are not: %+v", draft.Covered, draft.Others)
	}
	for line := range bytes.Lines(draft.Source) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !utf8.Valid(line) || bytes.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || endsLine.Match(line) {
			t.Errorf("a line has what is not printable: %q", line)
		}
		if len(line) > 4000 {
			t.Errorf("a line has %d bytes: %.100s", len(line), line)
		}
	}
}

// FuzzTexts: a draft is what it should be for any text of a caller.
func FuzzTexts(f *testing.F) {
	for _, text := range hostile() {
		f.Add(text, "Mail")
	}
	f.Fuzz(func(t *testing.T, text, primary string) {
		l := newLog()
		l.signed(message(hot, text))
		l.signed(message(hot, text+text))
		req := typed(hot, 1, usdc, primary, map[string]string{primary: "address to"}, map[string]any{"to": cold.Hex()})
		req.TypedData.Domain.Name = text
		l.signed(req)
		l.signed(ask(rules.KindList, hot))
		drafted(t, l, policysuggest.Options{})
	})
}

// TestAllowsAreSound: a draft has rules that decide, each for itself.
func TestAllowsAreSound(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]func(t *testing.T) *log{
		"payments": payments, "tokens": tokens, "calls": contractCalls, "typed": typedData, "texts": personalMessages, "safe": safeTransactions, "other": others,
	} {
		draft := drafted(t, made(t), policysuggest.Options{})
		loaded, err := policy.Load(name, draft.Source, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, warning := range policy.Lint(loaded) {
			// What was signed so can't be allowed without a warning.
			if !slices.Contains([]string{"unbounded-approval", "any-inner", "signs-digests"}, warning.ID) {
				t.Errorf("%s: %v", name, warning)
			}
		}
	}
}

// TestLogsThatGiveNoDraft: errors say what is the matter.
func TestLogsThatGiveNoDraft(t *testing.T) {
	t.Parallel()
	broken := errors.New("the chain is broken")
	l := newLog()
	l.signed(ask(rules.KindList, hot))
	reading := 0
	for name, tt := range map[string]struct {
		read    policysuggest.Source
		options policysuggest.Options
		want    string
	}{
		"empty":      {newLog().source, policysuggest.Options{}, "no request that was approved"},
		"broken":     {func() iter.Seq2[policysuggest.Observed, error] { return failing(broken) }, policysuggest.Options{}, "the chain is broken"},
		"margin":     {l.source, policysuggest.Options{Margin: 1001}, "a margin of 1001 %"},
		"recipients": {l.source, policysuggest.Options{Recipients: -1}, "-1 recipients"},
		"changed": {func() iter.Seq2[policysuggest.Observed, error] {
			if reading++; reading == 1 {
				return l.source()
			}
			return newLog().source()
		}, policysuggest.Options{}, "the log was changed while it was read"},
	} {
		if _, err := policysuggest.Make(t.Context(), tt.read, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := policysuggest.Make(ctx, l.source, policysuggest.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func failing(err error) iter.Seq2[policysuggest.Observed, error] {
	return func(yield func(policysuggest.Observed, error) bool) { yield(policysuggest.Observed{}, err) }
}

// TestLogsThatGrow: what is added between the two readings does not count.
func TestLogsThatGrow(t *testing.T) {
	t.Parallel()
	l := newLog()
	l.signed(ask(rules.KindList, hot))
	grown := func() iter.Seq2[policysuggest.Observed, error] {
		read := l.source()
		l.signed(l.tx(&cold, 1, nil))
		return read
	}
	draft, err := policysuggest.Make(t.Context(), grown, policysuggest.Options{})
	if err != nil || draft.Covered != 2 {
		t.Errorf("%v, %d covered", err, draft.Covered)
	}
}

// TestRefusedDrafts: what a draft does not approve is not covered, with the first
// refusal as the reason; there is none if that is all there is.
func TestRefusedDrafts(t *testing.T) {
	t.Parallel()
	l := newLog()
	for i := range 20 {
		l.signed(l.tx(&cold, int64(i), nil))
	}
	for _, others := range []bool{false, true} {
		if others {
			l.signed(ask(rules.KindList, hot))
		}
		reading := 0
		doctored := func() iter.Seq2[policysuggest.Observed, error] {
			reading++
			return func(yield func(policysuggest.Observed, error) bool) {
				for _, one := range l.all {
					if reading >= 2 && one.Request.Kind != rules.KindList {
						one.Request = l.tx(&cold, 1e18, nil)
					}
					if !yield(one, nil) {
						return
					}
				}
			}
		}
		draft, err := policysuggest.Make(t.Context(), doctored, policysuggest.Options{})
		if others != (err == nil) || !others && !errors.Is(err, policysuggest.ErrNothing) {
			t.Fatalf("%v", err)
		}
		if len(draft.Others) != 1 || draft.Others[0].Count != 20 || !strings.HasPrefix(draft.Others[0].Why, "the rule that was drafted for them refuses entry 3: ") || strings.Contains(string(draft.Source), "id: payouts-pays") {
			t.Errorf("%+v\n%s", draft.Others, draft.Source)
		}
	}
}
