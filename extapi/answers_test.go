package extapi

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// crowd has many accounts and no keys.
type crowd struct{ all []rules.Account }

func newCrowd(many int) *crowd {
	c := new(crowd)
	for i := range many {
		var address common.Address
		binary.BigEndian.PutUint64(address[:], uint64(i+1)*0x9e3779b97f4a7c15)
		c.all = append(c.all, rules.Account{Address: address, Vault: "v", Key: "k"})
	}
	return c
}

func (c *crowd) Accounts() []rules.Account { return c.all }

func (c *crowd) Find(context.Context, common.Address) (rules.Account, bool) {
	return rules.Account{}, false
}

func (c *crowd) Sign(context.Context, common.Address, common.Hash) (Signed, error) {
	return Signed{}, errInternal
}

// lists is a batch of listings.
func lists(n int) string { return "[" + strings.Repeat(listCall+",", n-1) + listCall + "]" }

// crowded serves many accounts, with room for large answers of four batches of 25.
func crowded(t *testing.T, decider Decider) (server *Server, each int) {
	t.Helper()
	const many = 20_000
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Signer, cfg.Decider = newCrowd(many), decider })
	return listeners(t, account, ServerConfig{MaxResponse: 25 * many * listedBytes, WriteTimeout: patience, RequestTimeout: patience}), many * listedBytes
}

// held returns how much of the room is taken.
func (r *AnswerRoom) held() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all int64
	for _, bytes := range r.of {
		all += bytes
	}
	return all
}

// TestLargeAnswersAreBounded: whoever asks for large answers and takes none has half of
// the memory for them at most, by HTTP and by IPC. All of it is given back when the caller
// is gone.
func TestLargeAnswersAreBounded(t *testing.T) {
	for _, way := range []string{"http", "ipc"} {
		t.Run(way, func(t *testing.T) {
			server, each := crowded(t, rules.ApproveAll{})
			room, most := server.cfg.Answers, int64(51*each) // half, and the last
			var hang []io.Closer
			ask := func() {
				if way == "http" {
					client := dialHTTP(t, server)
					client.post("", lists(24))
					hang = append(hang, client)
					return
				}
				client := dialIPC(t, server)
				client.send(strings.Repeat(lists(8), 3))
				hang = append(hang, client)
			}
			for range 20 {
				ask()
			}
			busy := func() bool {
				client := dialHTTP(t, server)
				defer client.Close()
				client.post("", lists(1))
				_, text := client.answer()
				return strings.Contains(text, `"code":-32005`) && strings.Contains(text, "retry_after_ms")
			}
			if way == "ipc" { // by another who has nothing yet: it is not refused for what the first has
				if busy() {
					t.Error("another caller is refused")
				}
			} else {
				for deadline := time.Now().Add(patience); !busy(); ask() { // small parts are taken by the system
					if time.Now().After(deadline) {
						t.Fatal("nothing is refused")
					}
				}
			}
			for late := time.After(patience); room.held() < most/2; {
				select {
				case <-time.After(time.Millisecond):
				case <-late:
					t.Fatalf("%d bytes are held: they don't count", room.held())
				}
			}
			if held := room.held(); held > most {
				t.Errorf("%d bytes are held, want at most %d", held, most)
			}
			for _, client := range hang {
				_ = client.Close()
			}
			late := time.After(patience)
			for room.held() != 0 {
				select {
				case <-time.After(time.Millisecond):
				case <-late:
					t.Fatalf("%d bytes are held for nobody", room.held())
				}
			}
		})
	}
}

// TestAnswerRoom: a caller has what is left, so that there is some for the next; a part of
// each connection's answers counts nowhere.
func TestAnswerRoom(t *testing.T) {
	room := NewAnswerRoom(1 << 20 / heldAnswers)
	share := func(principal string, free *int64) (hold func(int) error, leave func()) {
		share := room.Share(principal, free)
		ctx := share.Into(t.Context())
		return func(bytes int) error {
			_, err := holdAnswer(ctx, bytes)
			return err
		}, share.Leave
	}
	free := int64(FreeAnswers)
	all := make(map[string]int)
	var leaves []func()
	for _, principal := range []string{"a", "b", "c"} {
		for {
			none := int64(0)
			hold, leave := share(principal, &none)
			leaves = append(leaves, leave)
			if err := hold(1 << 10); err != nil {
				if told := onWire(err); codeOf(told) != codeBusy {
					t.Fatalf("%v has the code %d", told, codeOf(told))
				}
				break
			}
			all[principal]++
		}
	}
	if want := map[string]int{"a": 512, "b": 256, "c": 128}; fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("they have %v, want %v", all, want)
	}
	hold, leave := share("a", &free)
	if err := hold(FreeAnswers); err != nil {
		t.Errorf("a small answer: %v", err)
	}
	if err := hold(1 << 10); err == nil {
		t.Error("the next of the same connection is not refused")
	}
	if leave(); free != FreeAnswers {
		t.Errorf("%d are free of the connection, want %d", free, FreeAnswers)
	}
	for _, leave := range leaves {
		leave()
	}
	if room.left != 1<<20 || len(room.of) != 0 {
		t.Errorf("%d are left and %v are held", room.left, room.of)
	}
}

// TestAnswerAlone: an answer that is larger than all the room has it alone, and no room is
// so large that there is none.
func TestAnswerAlone(t *testing.T) {
	for _, batch := range []int{1, math.MaxInt / 2, math.MaxInt} {
		room, none := NewAnswerRoom(batch), int64(0)
		large, other := room.Share("a", &none), room.Share("b", &none)
		if !large.hold(1 << 30) {
			t.Errorf("%d: a large answer is refused, and nothing is held", batch)
		}
		if got, want := other.hold(1<<10), batch > 1; got != want {
			t.Errorf("%d: another beside it is taken: %v", batch, got)
		}
		large.Leave()
		other.Leave()
		if !other.hold(1<<10) || !other.hold(0) || len(room.of) != 0 {
			t.Errorf("%d: nothing is given back", batch)
		}
	}
}

// first lists one account, whatever there is.
type first struct{ rules.ApproveAll }

func (f first) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	decision, err := f.ApproveAll.Decide(ctx, req)
	decision.Listed = []common.Address{req.Accounts[0].Address}
	return decision, err
}

// TestShownAccountsCount: a caller who is shown few of many accounts may ask often.
func TestShownAccountsCount(t *testing.T) {
	server, _ := crowded(t, first{})
	client := dialHTTP(t, server)
	client.post("", lists(60))
	if _, text := client.answer(); strings.Contains(text, "error") || strings.Count(text, `"result"`) != 60 {
		t.Errorf("got %s", clip(text))
	}
}
