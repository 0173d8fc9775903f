package proxy

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestAnswersOfAllAreBounded: callers whose large answers wait for the rest of
// their batches can't have more memory together than is theirs; small answers pass.
func TestAnswersOfAllAreBounded(t *testing.T) {
	f := newFake(t)
	for transport, address := range nodes(f) {
		t.Run(transport, func(t *testing.T) {
			holds, release := make(chan struct{}), make(chan struct{})
			p := started(t, Config{Node: address, MaxAnswer: 1 << 20, MaxHeld: 2 << 20, Methods: map[string]Method{
				"our_wait": func(ctx context.Context, _ json.RawMessage) (any, error) {
					holds <- struct{}{}
					select {
					case <-release:
					case <-ctx.Done():
					}
					return "done", nil
				},
				"our_null": nothing,
			}})
			const large, wait = `{"id":1,"method":"fake_big","params":[900000]}`, `{"jsonrpc":"2.0","id":2,"method":"our_wait"}`
			var told []<-chan string
			for range 2 {
				told = append(told, later(t.Context(), t, p, `[`+large+`,`+wait+`]`))
				<-holds
			}
			conn := dial(t, p, nil)
			const null = `{"jsonrpc":"2.0","id":2,"method":"our_null"}`
			tell(t, conn, `[`+large+`,`+null+`]`)
			for _, got := range []string{post(t, p, `[`+large+`,`+null+`]`), hear(t, conn)} {
				if got != `[{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"too many large answers are on their way: try again later"}},{"jsonrpc":"2.0","id":2,"result":null}]` {
					t.Errorf("got %.300s", got)
				}
			}
			if got := post(t, p, `[{"id":1,"method":"a"},`+null+`]`); !strings.Contains(got, `"node":"a"`) {
				t.Errorf("a small answer: %s", got)
			}
			close(release)
			for _, one := range told {
				if got := <-one; !strings.Contains(got, `"done"`) || len(got) < 900000 {
					t.Errorf("got %.300s", got)
				}
			}
			if got := post(t, p, `[`+large+`,`+null+`]`); len(got) < 900000 {
				t.Errorf("afterwards got %.300s", got)
			}
		})
	}
}
