package extapi

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestDeviation28ErrorsNameTheRequest: each error by IPC names the request, by which the
// log has it. Over HTTP that is TestAnswersNameTheRequest.
func TestDeviation28ErrorsNameTheRequest(t *testing.T) {
	decider := &denying{decision: rules.Decision{Verdict: rules.Reject, Rule: "rules.js:ApproveListing"}}
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
	log := new(journal)
	server := listeners(t, account, ServerConfig{
		MaxBody: 16 << 10, MaxBatch: 4, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	const list = `{"jsonrpc":"2.0","id":1,"method":"account_list"}`
	for name, c := range map[string]struct {
		message, want string
		errors        int
	}{
		"refused by a rule file": {list, `"code":-32000,"message":"request denied"`, 1},
		"wrong parameters":       {`{"jsonrpc":"2.0","id":"<1>","method":"account_list","params":[1]}`, `"id":"<1>","error":{"code":-32602`, 1},
		"no such method":         {`{"jsonrpc":"2.0","id":1e400,"method":"account_steal"}`, `"id":1e400,"error":{"code":-32601`, 1},
		"no call":                {`{"jsonrpc":"2.0","id":1}`, `"code":-32600`, 1},
		"malformed":              {`{"a"}`, `"code":-32700`, 1},
		"too large":              {strings.Repeat(" ", 17<<10), `"code":-32600`, 1},
		"batch":                  {"[" + list + "," + strings.Replace(list, "list", "version", 1) + "," + strings.Replace(list, "list", "steal", 1) + "]", `"result":"6.1.0"},{"jsonrpc":"2.0","id":1,"error":{"code":-32601`, 2},
		"batch too large":        {"[" + strings.Repeat(list+",", 4) + list + "]", `"batch too large"`, 1},
		"text of an error":       {`{"jsonrpc":"2.0","id":",\"error\":{","method":"account_version"}`, `"result":"6.1.0"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := dialIPC(t, server)
			client.send(c.message)
			answer := client.answer()
			ids := regexp.MustCompile(`"data":\{"request":"([A-Z2-7]{26})"\}\}`).FindAllStringSubmatch(answer, -1)
			if !strings.Contains(answer, c.want) || len(ids) != c.errors {
				t.Fatalf("%s, want %d errors that have an id, %s", answer, c.errors, c.want)
			}
			for _, id := range ids {
				if log.count("request_id="+id[1]) != 1 && id[1] != decider.request {
					t.Errorf("the log does not know %s", id[1])
				}
			}
			if name == "refused by a rule file" && ids[0][1] != decider.request {
				t.Errorf("the caller is told %s, and %s was decided", ids[0][1], decider.request)
			}
		})
	}
}

// TestNaming: what is no error without data is left as it is, to the byte.
func TestNaming(t *testing.T) {
	n := naming{log: slog.New(slog.DiscardHandler), id: func(bool, int) string { return "ID" }}
	for answer, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":{"a" : "<&>"}}`:                                                   "",
		`{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m","data":"0x08"}}`:                           "",
		`{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m","data":{"request":"x"}}}`:                  "",
		`{"jsonrpc":"2.0","id":1,"result":"a"},"error":{`:                                                   "", // cut off
		`{"jsonrpc":"2.0","id":1,"error":{"code":"3"}}`:                                                     "",
		`[{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m","data":1}}]`:                              "",
		`{"jsonrpc":"2.0","id":null,"error":{"code":3,"message":"<m>"}}`:                                    `{"jsonrpc":"2.0","id":null,"error":{"code":3,"message":"<m>","data":{"request":"ID"}}}`,
		`{"jsonrpc":"2.0","id":1.0,"error":{"code":3,"message":"m"}}` + "\n":                                `{"jsonrpc":"2.0","id":1.0,"error":{"code":3,"message":"m","data":{"request":"ID"}}}` + "\n",
		`[{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m"}},{"jsonrpc":"2.0","id":2,"result":[ ]}]`: `[{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m","data":{"request":"ID"}}},{"jsonrpc":"2.0","id":2,"result":[ ]}]`,
	} {
		if want == "" {
			want = answer
		}
		if got := string(n.name([]byte(answer))); got != want {
			t.Errorf("%s: got %s, want %s", answer, got, want)
		}
	}
}

// TestNamingCopiesOnce: a caller may have the rpc server answer with some hundred thousand small
// errors, and those that nobody reads cost no more than their bytes.
func TestNamingCopiesOnce(t *testing.T) {
	n := naming{log: slog.New(slog.DiscardHandler), id: func(bool, int) string { return "ABCDEFGHIJKLMNOPQRSTUVWXYZ-12345" }}
	batch := []byte("[" + strings.Repeat(`{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m"}},`, 999) + `{"jsonrpc":"2.0","id":1,"result":"a"}]`)
	var named []byte
	if times := testing.AllocsPerRun(10, func() { named = n.name(batch) }); times > 5 {
		t.Errorf("a thousand answers take memory %v times", times)
	}
	if got := strings.Count(string(named), `,"data":{"request":"ABC`); got != 999 || !strings.HasSuffix(string(named), `,{"jsonrpc":"2.0","id":1,"result":"a"}]`) {
		t.Errorf("%d errors are named: …%s", got, named[len(named)-100:])
	}
}

// BenchmarkNaming names the errors of a batch that has nothing but small ones.
func BenchmarkNaming(b *testing.B) {
	n := naming{log: slog.New(slog.DiscardHandler), id: func(bool, int) string { return newRequestID() }}
	one := `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method a does not exist/is not available"}},`
	batch := []byte("[" + strings.Repeat(one, 1<<20/len(one)) + one[:len(one)-1] + "]\n")
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		n.name(batch)
	}
}
