package proxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// traffic draws messages of calls with unique ids, and returns with them which
// answer each id must get, by a part of it.
func traffic(t *rapid.T) (messages []string, want map[string]string) {
	want = make(map[string]string)
	call := func() string {
		id := fmt.Sprintf(`"%d"`, len(want))
		kind := rapid.SampledFrom([]string{"passed", "passed", "passed", "ours", "failing", "denied", "faulty", "noted", "noted here", "omitted"}).Draw(t, "kind")
		switch kind {
		case "passed":
			want[id] = `"node":"eth_x"`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"eth_x"}`
		case "ours":
			want[id] = `"ours"`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"eth_accounts"}`
		case "failing":
			want[id] = `it failed`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"our_fail"}`
		case "denied":
			want[id] = `does not exist`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"admin_x"}`
		case "faulty":
			want[id] = `unknown member`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"eth_x","x":1}`
		case "omitted": // with another one, so that the node gets a batch
			want[id] = `left this call out`
			other := fmt.Sprintf(`"%d"`, len(want))
			want[other] = `"node":"eth_x"`
			return `{"jsonrpc":"2.0","id":` + id + `,"method":"fake_omit"},{"jsonrpc":"2.0","id":` + other + `,"method":"eth_x"}`
		case "noted":
			return `{"jsonrpc":"2.0","method":"eth_x"}`
		default:
			return `{"jsonrpc":"2.0","method":"eth_accounts"}`
		}
	}
	for range rapid.IntRange(1, 12).Draw(t, "messages") {
		var calls []string
		for range rapid.IntRange(1, 6).Draw(t, "calls") {
			calls = append(calls, call())
		}
		if len(calls) == 1 && !strings.Contains(calls[0], "fake_omit") {
			messages = append(messages, calls[0])
			continue
		}
		// The batch is a mixed one, so that what the node leaves out is noticed.
		id := fmt.Sprintf(`"%d"`, len(want))
		want[id] = `"result":null`
		calls = append(calls, `{"jsonrpc":"2.0","id":`+id+`,"method":"our_null"}`)
		messages = append(messages, "["+strings.Join(calls, " , ")+"]")
	}
	return messages, want
}

// gathered are answers by their ids.
type gathered struct {
	mu  sync.Mutex
	got map[string][]string
}

func (c *gathered) add(t *rapid.T, body string) int {
	if body == "" {
		return 0
	}
	var many []json.RawMessage
	if json.Unmarshal([]byte(body), &many) != nil {
		many = []json.RawMessage{json.RawMessage(body)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range many {
		var m wireMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		c.got[string(m.ID)] = append(c.got[string(m.ID)], string(text))
	}
	return len(many)
}

func (c *gathered) check(t *rapid.T, want map[string]string) {
	for id, part := range want {
		if got := c.got[id]; len(got) != 1 || !strings.Contains(got[0], part) {
			t.Fatalf("%s got %q, not %s", id, got, part)
		}
	}
	if len(c.got) != len(want) {
		t.Fatalf("answers to %d ids, not %d", len(c.got), len(want))
	}
}

// TestEveryCallIsAnsweredOnce sends what rapid thinks of, every message at once,
// by POST and over one WebSocket. The observer is told of each call once, too.
func TestEveryCallIsAnsweredOnce(t *testing.T) {
	f := newFake(t)
	for way, cfg := range configs(f) {
		t.Run(way, func(t *testing.T) {
			told := newEar()
			cfg.Methods, cfg.Observer = ours(), told
			p := started(t, cfg)
			conn := dial(t, p, nil)
			calls := 0
			rapid.Check(t, func(r *rapid.T) {
				messages, want := traffic(r)
				calls += 2 * strings.Count(strings.Join(messages, ""), `"method"`)
				posted := &gathered{got: make(map[string][]string)}
				var wg sync.WaitGroup
				for _, message := range messages {
					wg.Go(func() { posted.add(r, post(t, p, message)) })
					tell(t, conn, message)
				}
				wg.Wait()
				posted.check(r, want)
				pushed := &gathered{got: make(map[string][]string)}
				for n := 0; n < len(want); {
					n += pushed.add(r, hear(t, conn))
				}
				pushed.check(r, want)
			})
			told.await(t, "each call once", func(told map[string]int) bool {
				sum := 0
				for _, n := range told {
					sum += n
				}
				return sum == calls
			})
		})
	}
}
