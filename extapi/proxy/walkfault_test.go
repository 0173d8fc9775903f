package proxy

import (
	"strings"
	"testing"
)

// TestWalkedErrors reads answers in pieces of every size: they are errors or not, wherever
// what says so stands.
func TestWalkedErrors(t *testing.T) {
	for text, want := range map[string]bool{
		`{"jsonrpc":"2.0","id":1,"error":{"code":1}}`:                  true,
		`{"jsonrpc":"2.0","id":1,"result":[{}],"error":{"code":1}}`:    true,
		`{ "error" : "x" , "id" : 1 }`:                                 true,
		"{\"error\"\n:\n\t5,\"id\":1}":                                 true,
		`{"error":null,"result":1,"id":1}`:                             false,
		`{"result":{"error":{"code":1}},"id":1}`:                       false,
		`{"result":"\"error\":1","id":"error","more":["error",":",1]}`: false,
		`{"errors":1,"id":1}`:                                          false,
		`{"result":"\\\\\"\\","error":1}`:                              true,
		`{"result":"\\\"\\\\\",\"error\":1","id":"\n\""}`:              false,
		`{"id":1,"result":1} `:                                         false,
		`[{"id":1,"error":{"code":1}}]`:                                false, // which of them is not told
	} {
		for size := 1; size <= len(text); size++ {
			var walk walker
			for at := 0; at < len(text); at += size {
				walk.feed([]byte(text[at:min(at+size, len(text))]))
			}
			if walk.fail != want || !walk.ended() {
				t.Errorf("%s in pieces of %d: %v", text, size, walk.fail)
			}
		}
	}
}

// BenchmarkWalk reads answers of a megabyte. What is escaped takes longer, not the more so the
// more of it there is.
func BenchmarkWalk(b *testing.B) {
	for name, part := range map[string]string{
		"log":     `{"address":"0x71562b71999873DB5b286dF957af199Ec94617F7","data":"0x00000000000000000000000000000000000000000000000000000000000000000000000000000000","logIndex":"0x1","removed":false},`,
		"escaped": `"` + strings.Repeat(`\n`, 1<<18) + `",`,
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(`{"jsonrpc":"2.0","id":1,"result":[`)
			for len(text) < 1<<20 {
				text = append(text, part...)
			}
			text = append(text, `{}]}`...)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var walk walker
				if n := walk.feed(text); n != len(text) {
					b.Fatal(n)
				}
			}
		})
	}
}
