package facts

import (
	"bytes"
	"maps"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

// TestEffects: what each method of a token does, to whom, and with how much.
func TestEffects(t *testing.T) {
	five, all := big.NewInt(5), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	moves := Effect{Kind: Transfer, Token: token, Owner: sender, Recipient: payee, Amount: number(5)}
	with := func(e Effect, change func(*Effect)) []Effect {
		change(&e)
		return []Effect{e}
	}
	id, deadline := number(9), number(1700000000)
	nonce := [32]byte{1}
	for _, tt := range []struct {
		data []byte
		want []Effect
	}{
		{calldatatest.Pack(t, "transfer(address,uint256)", payee, five), []Effect{moves}},
		{calldatatest.Pack(t, "transferFrom(address,address,uint256)", other, payee, five), with(moves, func(e *Effect) { e.Owner = other })},
		{calldatatest.Pack(t, "approve(address,uint256)", payee, five), with(moves, func(e *Effect) { e.Kind = Approve })},
		{calldatatest.Pack(t, "approve(address,uint256)", payee, all), with(moves, func(e *Effect) { e.Kind, e.Amount, e.Unlimited = Approve, maxUint256(), true })},
		{calldatatest.Pack(t, "approve(address,uint256)", payee, largest(96)), with(moves, func(e *Effect) { e.Kind, e.Unlimited = Approve, true; e.Amount.SetFromBig(largest(96)) })},
		{calldatatest.Pack(t, "approve(address,uint256)", payee, largest(95)), with(moves, func(e *Effect) { e.Kind = Approve; e.Amount.SetFromBig(largest(95)) })},
		{calldatatest.Pack(t, "increaseAllowance(address,uint256)", payee, five), with(moves, func(e *Effect) { e.Kind = Approve })},
		{calldatatest.Pack(t, "decreaseAllowance(address,uint256)", payee, five), nil},
		{calldatatest.Pack(t, "burn(uint256)", five), with(moves, func(e *Effect) { e.Recipient = common.Address{} })},
		{
			calldatatest.Pack(t, "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", other, payee, five, big.NewInt(1700000000), uint8(27), nonce, nonce),
			with(moves, func(e *Effect) { e.Kind, e.Owner, e.Deadline = Permit, other, &deadline }),
		},
		{
			calldatatest.Pack(t, "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)", other, payee, five, big.NewInt(0), true, uint8(27), nonce, nonce),
			with(moves, func(e *Effect) { e.Kind, e.Owner, e.Amount, e.Unlimited = Permit, other, maxUint256(), true }),
		},
		{
			calldatatest.Pack(t, "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)", other, payee, five, five, big.NewInt(1700000000), nonce, uint8(27), nonce, nonce),
			with(moves, func(e *Effect) { e.Owner, e.Deadline = other, &deadline }),
		},
		{calldatatest.Pack(t, "safeTransferFrom(address,address,uint256)", sender, payee, big.NewInt(9)), with(moves, func(e *Effect) { e.Amount, e.ID, e.Single = id, &id, true })},
		{calldatatest.Pack(t, "safeTransferFrom(address,address,uint256,uint256,bytes)", sender, payee, big.NewInt(9), five, []byte{}), with(moves, func(e *Effect) { e.ID = &id })},
		{
			calldatatest.Pack(t, "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", sender, payee, []*big.Int{big.NewInt(9), big.NewInt(9)}, []*big.Int{five}, []byte{}),
			append(with(moves, func(e *Effect) { e.ID = &id }), with(moves, func(e *Effect) { e.ID, e.Amount, e.Unlimited = &id, maxUint256(), true })...),
		},
		{calldatatest.Pack(t, "setApprovalForAll(address,bool)", payee, true), with(moves, func(e *Effect) { e.Kind, e.Amount, e.Unlimited = ApproveAll, maxUint256(), true })},
		{calldatatest.Pack(t, "setApprovalForAll(address,bool)", payee, false), with(moves, func(e *Effect) { e.Kind, e.Amount = ApproveAll, number(0) })},
		{calldatatest.Pack(t, "approve(address,address,uint160,uint48)", token, payee, five, five), with(moves, func(e *Effect) { e.Kind = Approve })},
		{calldatatest.Pack(t, "transferFrom(address,address,uint160,address)", other, payee, five, token), with(moves, func(e *Effect) { e.Owner = other })},
		{calldatatest.Pack(t, "deposit()"), nil},
	} {
		to := token
		f := Of(call(&to, 0, tt.data), noon())
		if len(f.Actions) != 1 || f.Actions[0].Decoding != Known || f.Actions[0].Opaque != "" {
			t.Fatalf("%x: %+v", tt.data[:4], f.Actions)
		}
		if got := f.Actions[0].Effects; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v\nwant %+v", f.Actions[0].Name, got, tt.want)
		}
	}
}

// largest is the largest number of some bits.
func largest(size uint) *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), size), big.NewInt(1))
}

// TestDecoding: what is not understood is said to be.
func TestDecoding(t *testing.T) {
	transfer := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	multicall := calldatatest.Pack(t, "multicall(bytes[])", [][]byte{transfer})
	for name, tt := range map[string]struct {
		data   []byte
		want   Decoding
		opaque bool
	}{
		"plain":                   {nil, None, false},
		"one byte":                {transfer[:1], Unknown, false},
		"three bytes":             {transfer[:3], Unknown, false},
		"the selector alone":      {transfer[:4], Unknown, false},
		"too short":               {transfer[:len(transfer)-32], Unknown, false},
		"too long":                {append(bytes.Clone(transfer), make([]byte, 32)...), Unknown, false},
		"dirty address":           {append(append(bytes.Clone(transfer[:4]), 1), transfer[5:]...), Unknown, false},
		"another method":          {[]byte{1, 2, 3, 4}, Other, false},
		"a batch cut short":       {multicall[:len(multicall)-32], Unknown, true},
		"a router":                {calldatatest.Pack(t, "execute(bytes,bytes[])", []byte{1}, [][]byte{{2}}), Known, true},
		"a method like ERC-20's":  {transfer, Known, false},
		"a batch of one transfer": {multicall, Known, false},
	} {
		to := token
		a := Of(call(&to, 0, tt.data), noon()).Actions[0]
		if a.Decoding != tt.want || (a.Opaque != "") != tt.opaque {
			t.Errorf("%s: got %v, %q", name, a.Decoding, a.Opaque)
		}
	}
	if a := Of(call(nil, 1, []byte{1}), noon()).Actions[0]; a.To != nil || a.Decoding != Other || a.Opaque != "" {
		t.Errorf("a creation: %+v", a)
	}
}

// execution is a call of a batch: target, value, data.
type execution struct {
	Name0 common.Address
	Name1 *big.Int
	Name2 []byte
}

func safeBatch() common.Address {
	return common.HexToAddress("0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526")
}

// wrapping is a call within another.
type wrapping struct {
	data []byte
	from common.Address // in whose name it is made
}

// wrapped is a call within each kind of call that makes others, and in whose
// name it is made then.
func wrapped(t testing.TB, data []byte) map[string]wrapping {
	t.Helper()
	type target struct { // the encoder knows members by their place
		Name0 common.Address
		Name1 []byte
	}
	type fallible struct {
		Name0 common.Address
		Name1 bool
		Name2 []byte
	}
	type priced struct {
		Name0 common.Address
		Name1 bool
		Name2 *big.Int
		Name3 []byte
	}
	type operated struct {
		Name0 common.Address
		Name1 *big.Int
		Name2 []byte
		Name3 uint8
	}
	zero := big.NewInt(0)
	inner := calldatatest.Pack(t, "execute(address,uint256,bytes)", token, zero, data)
	packed := append(append(token.Bytes(), make([]byte, 32)...), data...)
	var length [32]byte
	big.NewInt(int64(len(data))).FillBytes(length[:])
	sent := append(append(append([]byte{0}, append(token.Bytes(), make([]byte, 32)...)...), length[:]...), data...)
	multi := calldatatest.Pack(t, "multiSend(bytes)", sent)
	all := map[string]wrapping{
		"multicall":       {calldatatest.Pack(t, "multicall(bytes[])", [][]byte{data}), sender},
		"timed multicall": {calldatatest.Pack(t, "multicall(uint256,bytes[])", big.NewInt(1), [][]byte{data}), sender},
		"aggregate":       {calldatatest.Pack(t, "aggregate((address,bytes)[])", []target{{token, data}}), token},
		"tryAggregate":    {calldatatest.Pack(t, "tryAggregate(bool,(address,bytes)[])", true, []target{{token, data}}), token},
		"aggregate3":      {calldatatest.Pack(t, "aggregate3((address,bool,bytes)[])", []fallible{{token, true, data}}), token},
		"aggregate3Value": {calldatatest.Pack(t, "aggregate3Value((address,bool,uint256,bytes)[])", []priced{{token, true, big.NewInt(3), data}}), token},
		"Safe": {
			calldatatest.Pack(t, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", token, zero, data, uint8(0), zero, zero, zero, other, other, []byte{}),
			token,
		},
		"Safe, multiSend": {
			calldatatest.Pack(t, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", safeBatch(), zero, multi, uint8(1), zero, zero, zero, other, other, []byte{}),
			token,
		},
		"multiSend":         {multi, token},
		"execute":           {inner, token},
		"ERC-6551":          {calldatatest.Pack(t, "execute(address,uint256,bytes,uint8)", token, zero, data, uint8(0)), token},
		"executeBatch":      {calldatatest.Pack(t, "executeBatch(address[],bytes[])", []common.Address{token}, [][]byte{data}), token},
		"executeBatch 3":    {calldatatest.Pack(t, "executeBatch(address[],uint256[],bytes[])", []common.Address{token}, []*big.Int{zero}, [][]byte{data}), token},
		"executions":        {calldatatest.Pack(t, "executeBatch((address,uint256,bytes)[])", []execution{{token, zero, data}}), token},
		"7579 single":       {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{}, packed), token},
		"7579 batch":        {calldatatest.Pack(t, "execute(bytes32,bytes)", [32]byte{1}, calldatatest.Pack(t, "batch((address,uint256,bytes)[])", []execution{{token, zero, data}})[4:]), token},
		"ERC-6551, batch":   {calldatatest.Pack(t, "executeBatch((address,uint256,bytes,uint8)[])", []operated{{token, zero, data, 0}}), token},
		"7579, executor":    {calldatatest.Pack(t, "executeFromExecutor(bytes32,bytes)", [32]byte{}, packed), token},
		"Safe, 4337":        {calldatatest.Pack(t, "executeUserOp(address,uint256,bytes,uint8)", token, zero, data, uint8(0)), token},
		"multicall, block":  {calldatatest.Pack(t, "multicall(bytes32,bytes[])", [32]byte{1}, [][]byte{data}), sender},
		"blockAndAggregate": {calldatatest.Pack(t, "blockAndAggregate((address,bytes)[])", []target{{token, data}}), token},
		"tryBlockAndAggregate": {
			calldatatest.Pack(t, "tryBlockAndAggregate(bool,(address,bytes)[])", true, []target{{token, data}}), token,
		},
	}
	maps.Copy(all, passedOn(t, data))
	return all
}

// TestUnpacking: a call is found in every kind of call that makes others.
func TestUnpacking(t *testing.T) {
	transfer := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	for name, tt := range wrapped(t, transfer) {
		to := token
		f := Of(call(&to, 0, tt.data), noon())
		last := f.Actions[len(f.Actions)-1]
		if last.Depth == 0 || last.Name != "transfer" || last.From != tt.from || len(last.Effects) != 1 || last.Effects[0].Owner != tt.from || last.Effects[0].Recipient != payee {
			t.Errorf("%s: got %+v", name, last)
		}
		for _, a := range f.Actions {
			if a.Opaque != "" {
				t.Errorf("%s: %s: %s", name, a.Path, a.Opaque)
			}
		}
		if name == "aggregate3Value" && last.Value != number(3) {
			t.Errorf("%s: value %v", name, last.Value)
		}
	}
}

// TestUnpackingIsBounded: in depth and in number, and what is not looked at is
// said to be hidden.
func TestUnpackingIsBounded(t *testing.T) {
	to := token
	data := calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(5))
	deep := data
	for range MaxDepth {
		deep = calldatatest.Pack(t, "execute(address,uint256,bytes)", token, big.NewInt(0), deep)
	}
	f := Of(call(&to, 0, deep), noon())
	if last := f.Actions[len(f.Actions)-1]; last.Name != "transfer" || last.Depth != MaxDepth || last.Opaque != "" {
		t.Errorf("at the bound: %+v", last)
	}
	deep = calldatatest.Pack(t, "execute(address,uint256,bytes)", token, big.NewInt(0), deep)
	f = Of(call(&to, 0, deep), noon())
	if last := f.Actions[len(f.Actions)-1]; last.Depth != MaxDepth || last.Inner != 0 || !strings.Contains(last.Opaque, "levels") {
		t.Errorf("beyond it: %+v", last)
	}

	many := make([][]byte, MaxActions+1)
	for i := range many {
		many[i] = data
	}
	f = Of(call(&to, 0, calldatatest.Pack(t, "multicall(bytes[])", many[:MaxActions-1])), noon())
	if len(f.Actions) != MaxActions || f.Actions[0].Opaque != "" || f.Actions[0].Inner != MaxActions-1 {
		t.Errorf("as many as may be: %d, %q", len(f.Actions), f.Actions[0].Opaque)
	}
	f = Of(call(&to, 0, calldatatest.Pack(t, "multicall(bytes[])", many)), noon())
	if len(f.Actions) != MaxActions || f.Actions[0].Opaque == "" {
		t.Errorf("too many: %d, %q", len(f.Actions), f.Actions[0].Opaque)
	}

	ids := func(n int) []byte {
		return calldatatest.Pack(t, "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", sender, payee, numbers(n), numbers(n), []byte{})
	}
	f = Of(call(&to, 0, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{ids(MaxEffects - 1), data})), noon())
	if len(f.Actions[1].Effects) != MaxEffects-1 || len(f.Actions[2].Effects) != 1 || f.Actions[2].Opaque != "" {
		t.Errorf("as many effects as may be: %q", f.Actions[2].Opaque)
	}
	f = Of(call(&to, 0, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{ids(MaxEffects), data, data})), noon())
	if len(f.Actions[1].Effects) != MaxEffects || f.Actions[1].Opaque != "" || f.Actions[2].Opaque == "" || f.Actions[3].Opaque == "" {
		t.Errorf("too many effects: %+v", f.Actions[2:])
	}

	nested := calldatatest.Pack(t, "multicall(bytes[])", many[:MaxActions/2])
	f = Of(call(&to, 0, calldatatest.Pack(t, "multicall(bytes[])", [][]byte{nested, nested, nested})), noon())
	if len(f.Actions) != MaxActions || f.Actions[0].Opaque == "" {
		t.Errorf("too many in batches: %d, %q", len(f.Actions), f.Actions[0].Opaque)
	}
}

// TestMalformedBatches are hidden, never empty.
func TestMalformedBatches(t *testing.T) {
	to := token
	execute := "execute(bytes32,bytes)"
	safe := func(operation uint8, data []byte) []byte {
		zero := big.NewInt(0)
		return calldatatest.Pack(t, "execTransactionFromModule(address,uint256,bytes,uint8)", other, zero, data, operation)
	}
	for name, data := range map[string][]byte{
		"multiSend, cut":       calldatatest.Pack(t, "multiSend(bytes)", make([]byte, 84)),
		"multiSend, operation": calldatatest.Pack(t, "multiSend(bytes)", append([]byte{2}, make([]byte, 84)...)),
		"multiSend, length":    calldatatest.Pack(t, "multiSend(bytes)", append(make([]byte, 53), bytes.Repeat([]byte{0xff}, 32)...)),
		"7579, mode":           calldatatest.Pack(t, execute, [32]byte{0xfe}, make([]byte, 60)),
		"7579, single":         calldatatest.Pack(t, execute, [32]byte{}, make([]byte, 51)),
		"7579, batch":          calldatatest.Pack(t, execute, [32]byte{1}, make([]byte, 64)),
		"7579, delegate":       calldatatest.Pack(t, execute, [32]byte{0xff}, make([]byte, 19)),
		"lists":                calldatatest.Pack(t, "executeBatch(address[],bytes[])", []common.Address{token}, [][]byte{}),
		"7579, try of a try":   calldatatest.Pack(t, execute, [32]byte{0, 2}, make([]byte, 60)),
		"7579, dialect":        calldatatest.Pack(t, execute, [32]byte{6: 0x78}, make([]byte, 60)),
		"7579, zero address":   calldatatest.Pack(t, execute, [32]byte{1}, calldatatest.Pack(t, "batch((address,uint256,bytes)[])", []execution{{Name1: big.NewInt(0)}})[4:]),
		"zero address":         calldatatest.Pack(t, "multiSend(bytes)", make([]byte, 85)),
		"Safe, operation":      safe(2, nil),
		"Safe, refund": calldatatest.Pack(t, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
			other, new(big.Int), []byte{}, uint8(0), new(big.Int), new(big.Int), big.NewInt(1), token, payee, []byte{}),
	} {
		if a := Of(call(&to, 0, data), noon()).Actions[0]; a.Decoding != Known || a.Opaque == "" {
			t.Errorf("%s: %v, %q", name, a.Decoding, a.Opaque)
		}
	}
	sent := calldatatest.Pack(t, "multiSend(bytes)", []byte{})
	for name, data := range map[string][]byte{"a batch of a stranger": sent, "plain": nil, "other": {1, 2, 3, 4}, "known": calldatatest.Pack(t, "transfer(address,uint256)", payee, big.NewInt(1))} {
		f := Of(call(&to, 0, safe(1, data)), noon())
		if len(f.Actions) != 2 || !f.Actions[1].Delegate || f.Actions[1].Opaque == "" {
			t.Errorf("a delegate call, %s: %+v", name, f.Actions)
		}
	}
}

// TestCosts: the worst case, exact, and never beyond 2²⁵⁶−1.
func TestCosts(t *testing.T) {
	f := Of(call(&payee, 5, nil), noon())
	if f.Tx.GasCost != number(21000*2e9) || f.Tx.Spend != number(21000*2e9+5) {
		t.Errorf("got %v, %v", f.Tx.GasCost.Dec(), f.Tx.Spend.Dec())
	}
	most := maxUint256()
	for _, got := range []uint256.Int{sum(most, number(1)), product(most, number(2)), saturated(new(big.Int).Lsh(big.NewInt(1), 300))} {
		if got != most {
			t.Errorf("got %v", got.Dec())
		}
	}
	if zero := saturated(big.NewInt(-1)); zero != (uint256.Int{}) {
		t.Errorf("negative: %v", zero.Dec())
	}
}

// FuzzOf looks for panics, and for bounds that are not kept.
func FuzzOf(f *testing.F) {
	transfer := calldatatest.Pack(f, "transfer(address,uint256)", payee, big.NewInt(5))
	f.Add(transfer)
	for _, wrapper := range wrapped(f, transfer) {
		f.Add(wrapper.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		to := token
		facts := Of(call(&to, 1, data), noon())
		checkActions(t, facts.Actions)
	})
}

// checkActions checks what holds for all actions.
func checkActions(t testing.TB, actions []Action) {
	t.Helper()
	if len(actions) > MaxActions {
		t.Fatalf("%d actions", len(actions))
	}
	inner, effects := 0, 0
	for i, a := range actions {
		inner, effects = inner+a.Inner, effects+len(a.Effects)
		switch {
		case a.Depth > MaxDepth:
			t.Fatalf("depth %d", a.Depth)
		case i > 0 && a.Depth > actions[i-1].Depth+1:
			t.Fatalf("action %d lies %d deep, and the one before it %d", i, a.Depth, actions[i-1].Depth)
		case a.Decoding != Known && (len(a.Effects) > 0 || a.Inner > 0):
			t.Fatalf("%v has %d effects and %d actions within", a.Decoding, len(a.Effects), a.Inner)
		}
		for _, e := range a.Effects {
			if e.Kind == "" {
				t.Fatalf("an effect of no kind: %+v", e)
			}
		}
	}
	if effects > MaxEffects {
		t.Fatalf("%d effects", effects)
	}
	outermost := 0
	for _, a := range actions {
		if a.Depth == 0 {
			outermost++
		}
	}
	if inner+outermost != len(actions) {
		t.Fatalf("%d actions, %d of them outermost, and %d within others", len(actions), outermost, inner)
	}
}

// BenchmarkOf measures the facts of common transactions.
func BenchmarkOf(b *testing.B) {
	transfer := calldatatest.Pack(b, "transfer(address,uint256)", payee, big.NewInt(5))
	for name, data := range map[string][]byte{"plain": nil, "transfer": transfer, "multicall of 10": calldatatest.Pack(b, "multicall(bytes[])", repeated(transfer, 10))} {
		b.Run(name, func(b *testing.B) {
			to := token
			req := call(&to, 0, data)
			b.ReportAllocs()
			for b.Loop() {
				Of(req, noon())
			}
		})
	}
}

func repeated(data []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = data
	}
	return all
}
