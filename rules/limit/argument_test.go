package limit_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

func argument(measure limit.Measure, method, place string, per ...limit.Per) limit.Limit {
	l := limitOf(measure, per...)
	l.Method, l.Argument = method, place
	return l
}

func TestArgument(t *testing.T) {
	t.Parallel()
	const mint = "mint(address,uint64)"
	l := argument(limit.Argument, mint, "1")
	call := func(amount uint64) []byte { return calldatatest.Pack(t, mint, alice(), amount) }
	check(t, l, transaction(to(router()), 0, call(5)), place, want{"daily/argument": small(5)})
	check(t, argument(limit.Argument, mint, "1", limit.PerRecipient), transaction(to(router()), 0, call(5)), place, want{"daily/argument/recipient=" + routerText: small(5)})
	check(t, l, calls(t, router(), "multicall(bytes[])", [][]byte{call(5), call(6), {1, 2, 3, 4}}), place, want{"daily/argument": small(11)})
	check(t, l, calls(t, usdc(), "transfer(address,uint256)", alice(), units(5)), "", nil)
	check(t, l, transaction(to(alice()), 5, nil), "", nil)
	check(t, l, other(rules.KindText), "", nil)
	fails(t, l, transaction(to(router()), 0, call(5)[:40]), "does not fit")
	fails(t, l, calls(t, router(), "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}}), "may hide")

	const lists = "pay(address[],uint256[])"
	huge := new(big.Int).Lsh(big.NewInt(1), 255)
	sum := argument(limit.Argument, lists, "1")
	check(t, sum, calls(t, router(), lists, []common.Address{alice(), bob()}, []*big.Int{units(2), units(3)}), place, want{"daily/argument": small(5)})
	check(t, sum, calls(t, router(), lists, []common.Address{}, []*big.Int{}), "", nil)
	check(t, sum, calls(t, router(), lists, []common.Address{}, []*big.Int{huge, huge}), place, want{"daily/argument": most()})
	check(t, argument(limit.Argument, "transfer(address,uint256)", "1"), calls(t, usdc(), "transfer(address,uint256)", alice(), units(5)), place, want{"daily/argument": small(5)})
	check(t, argument(limit.Argument, "bytes8s(uint8[4])", "0"), calls(t, router(), "bytes8s(uint8[4])", [4]uint8{1, 2, 3, 255}), place, want{"daily/argument": small(261)})
}

func TestPerArgument(t *testing.T) {
	t.Parallel()
	const transfer = "transfer(address,uint256)"
	f := calls(t, usdc(), transfer, alice(), units(5))
	check(t, argument(limit.Amount, transfer, "0", limit.PerArgument), f, place, want{usdcCounter + "/argument=" + aliceText: small(5)})
	check(t, argument(limit.Signatures, transfer, "1", limit.PerArgument), f, inPlace(), want{"daily/signatures/argument=5": small(1)})
	check(t, argument(limit.Signatures, transfer, "1", limit.PerArgument), transaction(to(alice()), 0, nil), inPlace(), want{"daily/signatures/argument=none": small(1)})
	check(t, argument(limit.Value, "join(string)", "0", limit.PerArgument), transaction(to(router()), 5, calldatatest.Pack(t, "join(string)", "a/b=c\n")), place,
		want{"daily/value/argument=%22a%2Fb=c%5Cn%22": small(5)})
	check(t, argument(limit.GasCost, "post(bytes4)", "0", limit.PerArgument), transaction(to(router()), 5, calldatatest.Pack(t, "post(bytes4)", [4]byte{1, 2, 3, 4})), place,
		want{"daily/gas_cost/argument=0x01020304": small(100_000)})
	both := calls(t, router(), "multicall(bytes[])", [][]byte{calldatatest.Pack(t, "post(bytes4)", [4]byte{1}), calldatatest.Pack(t, "post(bytes4)", [4]byte{2}), calldatatest.Pack(t, "post(bytes4)", [4]byte{1})})
	check(t, argument(limit.GasCost, "post(bytes4)", "0", limit.PerArgument), both, place,
		want{"daily/gas_cost/argument=0x01000000": small(100_000), "daily/gas_cost/argument=0x02000000": small(100_000)})
}

// TestPerArgumentOfOthers: what is sent or moved around a call of the method, or within
// one, counts for its argument, and not apart from it.
func TestPerArgumentOfOthers(t *testing.T) {
	t.Parallel()
	const pay, execute = "pay(address)", "execute(address,uint256,bytes)"
	around := transaction(to(router()), 5, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{calldatatest.Pack(t, pay, alice()), calldatatest.Pack(t, pay, bob())}))
	check(t, argument(limit.Value, pay, "0", limit.PerArgument), around, place, want{"daily/value/argument=" + aliceText: small(5), "daily/value/argument=" + bobText: small(5)})

	transfer := calldatatest.Pack(t, "transfer(address,uint256)", alice(), units(5))
	within := transaction(to(account()), 0, calldatatest.Pack(t, execute, usdc(), units(0), transfer))
	check(t, argument(limit.Amount, execute, "0", limit.PerArgument), within, place, want{usdcCounter + "/argument=" + usdcText: small(5)})

	other := transaction(to(router()), 5, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{transfer}))
	check(t, argument(limit.Value, pay, "0", limit.PerArgument), other, place, want{"daily/value/argument=none": small(5)})
}

// TestPerArgumentOfItsOwn: of several calls of the method each counts for its argument
// alone. The code of a new contract is no call of it, however it begins.
func TestPerArgumentOfItsOwn(t *testing.T) {
	t.Parallel()
	const pay = "pay(address)"
	perArgument := argument(limit.Value, pay, "0", limit.PerArgument)
	batch := multiSend(t, facts.Action{To: to(router()), Value: small(3), Data: calldatatest.Pack(t, pay, alice())},
		facts.Action{To: to(router()), Value: small(4), Data: calldatatest.Pack(t, pay, bob())})
	check(t, perArgument, ofSafe(batches(), common.Address{}, 0, batch, "1"), common.Hash{1, 2}.Hex(),
		want{"daily/value/argument=" + aliceText: small(3), "daily/value/argument=" + bobText: small(4)})
	check(t, perArgument, transaction(nil, 5, calldatatest.Pack(t, pay, alice())), place, want{"daily/value/argument=none": small(5)})

	for kind, value := range map[string]any{"bool": true, "uint64": uint64(7)} {
		f := transaction(to(router()), 5, calldatatest.Pack(t, "f("+kind+")", value))
		check(t, argument(limit.Value, "f("+kind+")", "0", limit.PerArgument), f, place, want{fmt.Sprintf("daily/value/argument=%v", value): small(5)})
	}
}

// TestPerArgumentNotMeasured: a call whose argument can't be read may be for any.
func TestPerArgumentNotMeasured(t *testing.T) {
	t.Parallel()
	const pay = "pay(address)"
	whole := calldatatest.Pack(t, pay, alice())
	hidden := calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}})
	for _, measure := range []limit.Measure{limit.Value, limit.GasCost, limit.Spend, limit.Signatures} {
		perArgument := argument(measure, pay, "0", limit.PerArgument)
		fails(t, perArgument, transaction(to(router()), 5, whole[:20]), "does not fit")
		fails(t, perArgument, transaction(to(router()), 5, whole[:4]), "does not fit")
		fails(t, perArgument, transaction(to(router()), 5, hidden), "may hide")
		fails(t, perArgument, transaction(to(router()), 5, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{whole, whole[:20]})), "does not fit")
	}
	tokens := argument(limit.Amount, pay, "0", limit.PerArgument)
	tokens.Token, tokens.Chain = to(usdc()), 1
	type call struct {
		Name0 common.Address
		Name1 []byte
	}
	beside := calls(t, router(), "aggregate((address,bytes)[])", []call{
		{usdc(), calldatatest.Pack(t, "transferFrom(address,address,uint256)", account(), alice(), units(5))}, {router(), whole[:20]},
	})
	fails(t, tokens, beside, "does not fit")
	fails(t, tokens, ofSafe(router(), usdc(), 0, whole[:20], "0"), "does not fit") // of the refund
}

func TestNotPrepared(t *testing.T) {
	t.Parallel()
	for why, l := range map[string]limit.Limit{
		"is not known":          limitOf("wishes"),
		"per \"wish\"":          limitOf(limit.Value, "wish"),
		"for the measure":       limitOf(limit.Value, limit.PerToken),
		"another measure":       argument(limit.Argument, "f(uint256)", "0", limit.PerArgument),
		"reading the signature": argument(limit.Argument, "f(", "0"),
		"no place":              argument(limit.Argument, "f(uint256)", "1"),
		"\"x\" is no place":     argument(limit.Argument, "f(uint256)", "x"),
		"of type int256":        argument(limit.Argument, "f(int256)", "0"),
		"of type address[]":     argument(limit.Argument, "f(address[])", "0"),
	} {
		if err := l.Prepare(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
		fails(t, l, transaction(to(alice()), 5, nil), why)
	}
}

// TestCounters: names tell what they are for, in an order of their own, and are
// never too long.
func TestCounters(t *testing.T) {
	t.Parallel()
	f := transaction(to(alice()), 5, nil)
	all := []limit.Per{limit.PerRecipient, limit.PerChain, limit.PerAccount, limit.PerPrincipal}
	const name = "daily/value/account=" + accountText + "/principal=batcher.prod/chain=1/recipient=" + aliceText
	check(t, limitOf(limit.Value, all...), f, place, want{name: small(5)})
	check(t, limitOf(limit.Value, append(all[2:], all[:2]...)...), f, place, want{name: small(5)})
	if got := limit.ParseCounter(name); got.Limit != "daily" || got.Measure != limit.Value || len(got.Per) != 4 || got.Per[1] != "principal=batcher.prod" {
		t.Errorf("%+v", got)
	}
	if got := limit.ParseCounter("pay/value/account/value/account=0x11"); got.Limit != "pay/value/account" || got.Measure != limit.Value || len(got.Per) != 1 {
		t.Errorf("%+v", got)
	}
	for _, odd := range []string{"", "/", "a", "=", "a=b/c=d"} {
		if got := limit.ParseCounter(odd); got.Limit != odd || got.Measure != "" {
			t.Errorf("%q: %+v", odd, got)
		}
	}

	names := map[string]string{}
	long81 := sha256.Sum256([]byte(strings.Repeat("p", 81)))
	for _, principal := range []string{"sha256:" + hex.EncodeToString(long81[:]), "", "empty", "a", "a/b", "a%2Fb", "a\x00b", "é", strings.Repeat("p", 80), strings.Repeat("p", 81), strings.Repeat("/", 80), "sha256:00", "user@example.org"} {
		f.Request.Principal = principal
		l := limitOf(limit.Value, limit.PerPrincipal)
		charges, err := l.Charges(f)
		if err != nil {
			t.Fatal(err)
		}
		name := charges[0].Counter
		if former, twice := names[name]; twice {
			t.Errorf("%q and %q are both %s", former, principal, name)
		}
		names[name] = principal
		if part := strings.TrimPrefix(name, "daily/value/principal="); part == "" || len(part) > 80 || strings.ContainsAny(part, "/\x00\n ") {
			t.Errorf("%q becomes %q", principal, part)
		}
	}

	// Another name would be another total, which begins at nothing.
	f.Request.Principal = strings.Repeat("p", 80)
	check(t, limitOf(limit.Value, limit.PerPrincipal), f, place, want{"daily/value/principal=" + f.Request.Principal: small(5)})
	longest := limitOf(limit.Value)
	longest.ID = strings.Repeat("i", rules.MaxCounter-len("/value"))
	check(t, longest, f, place, want{longest.ID + "/value": small(5)})

	long := limitOf(limit.Value, all...)
	for _, id := range []string{strings.Repeat("i", 500) + "1", strings.Repeat("i", 500) + "2"} {
		long.ID = id
		charges, err := long.Charges(f)
		if err != nil || len(charges[0].Counter) != rules.MaxCounter {
			t.Fatalf("%v, %v", charges, err)
		}
		if _, twice := names[charges[0].Counter]; twice {
			t.Error("two long names are one")
		}
		names[charges[0].Counter] = id
	}
}

// meter has one counter.
type meter struct{ fail error }

func (m meter) Usage(_ context.Context, counter string) (rules.Usage, error) {
	if counter != "daily/value/account="+accountText {
		return rules.Usage{}, m.fail
	}
	return rules.Usage{Used: small(400), Held: small(100), Next: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, m.fail
}

func TestStandings(t *testing.T) {
	t.Parallel()
	l := limitOf(limit.Value, limit.PerAccount)
	charges, err := l.Charges(transaction(to(alice()), 5, nil))
	if err != nil {
		t.Fatal(err)
	}
	standings, err := limit.Standings(t.Context(), meter{}, charges)
	if err != nil || len(standings) != 1 || standings[0].Free() != small(600) {
		t.Fatalf("%+v, %v", standings, err)
	}
	const text = "limit daily (account=" + accountText + "): 400 used, of that 100 held, of at most 1000 in 24h0m0s; 600 free, more from 2026-03-01T12:00:00Z"
	if got := standings[0].String(); got != text {
		t.Error(got)
	}
	standings[0].Charge.Cap = small(300)
	if free := standings[0].Free(); !free.IsZero() {
		t.Errorf("%s free of a limit that was lowered", free.Dec())
	}
	boom := errors.New("boom")
	if _, err := limit.Standings(t.Context(), meter{boom}, charges); !errors.Is(err, boom) {
		t.Error(err)
	}
}

// FuzzCharges measures transactions of any data: never a panic, and what is
// charged a ledger takes.
func FuzzCharges(f *testing.F) {
	f.Add(calldatatest.Pack(f, "transfer(address,uint256)", alice(), units(5)), uint64(3), true)
	f.Add(calldatatest.Pack(f, "multicall(bytes[])", [][]byte{calldatatest.Pack(f, "approve(address,uint256)", alice(), units(5))}), uint64(0), false)
	f.Add(multiSend(f, facts.Action{To: to(alice()), Value: small(7)}), uint64(0), true)
	var limits []limit.Limit
	for _, measure := range []limit.Measure{limit.Value, limit.GasCost, limit.Spend, limit.Amount, limit.Signatures} {
		limits = append(limits, limitOf(measure), limitOf(measure, limit.PerRecipient, limit.PerAccount), argument(measure, "approve(address,uint256)", "1", limit.PerArgument))
	}
	limits = append(limits, argument(limit.Argument, "transfer(address,uint256)", "1"), ofUSDC())
	f.Fuzz(func(t *testing.T, data []byte, wei uint64, self bool) {
		target := usdc()
		if self {
			target = account()
		}
		request := transaction(&target, int64(wei>>1), data)
		for i := range limits {
			charges, err := limits[i].Charges(request)
			if err != nil || len(charges) == 0 {
				continue
			}
			if err := rules.CheckCharges(charges); err != nil && len(charges) <= rules.MaxCharges {
				t.Errorf("%+v: %v", limits[i], err)
			}
			for _, charge := range charges {
				if charge.Amount == (uint256.Int{}) {
					t.Errorf("%s is charged with nothing", charge.Counter)
				}
			}
		}
	})
}

func BenchmarkCharges(b *testing.B) {
	f := calls(b, usdc(), "transfer(address,uint256)", alice(), units(5))
	l := ofUSDC(limit.PerAccount, limit.PerRecipient)
	if err := l.Prepare(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Charges(f); err != nil {
			b.Fatal(err)
		}
	}
}
