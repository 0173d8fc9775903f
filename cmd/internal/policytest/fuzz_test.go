package policytest

import "testing"

// FuzzRead finds texts that crash the reader, or that become a case that nothing
// could be tried with.
func FuzzRead(f *testing.F) {
	f.Add([]byte("cases: [{transaction: {from: treasury, call: 'f((address,uint256)[],bytes)', args: [[[treasury, 1 USDC]], {call: 'f()', args: []}]}}]"))
	f.Add([]byte("safe_transaction: {signer: treasury, safe: payees}\ncases: [{safe_transaction: {operation: 1, data: 0x00}}]"))
	f.Add([]byte("typed_data: {signer: treasury, types: {A: [{name: a, type: 'uint8[]'}]}, primaryType: A, domain: {name: x}, message: {a: [1]}}\ncases: [{typed_data: {message: {a: [2 gwei]}}}]"))
	f.Add([]byte("text: {signer: treasury}\ntime: 2026-01-05T10:00:00Z\ncases: [{steps: [{text: {text: x}}, {request: {method: a}}]}]"))
	names := NamesOf([]byte(named))
	f.Fuzz(func(t *testing.T, source []byte) {
		NamesOf(source)
		suite, err := Read("a", source, names)
		if err != nil {
			return
		}
		if len(suite.Cases) == 0 {
			t.Fatal("no cases")
		}
		for _, c := range suite.Cases {
			for _, step := range c.Steps {
				if step.Request.Method == "" {
					t.Fatalf("%+v", step)
				}
			}
		}
	})
}
