package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSortAnswers(t *testing.T) {
	calls := mustMessages(t, []byte(`[{"id":1.0,"method":"a"},{"method":"n"},{"id":"x","method":"b"},{"id":null,"method":"c"}]`))
	omitted := func(id string) string { return string(errorAnswer([]byte(id), errNodeOmitted)) }
	garbage := func(id string) string { return string(errorAnswer([]byte(id), errNodeGarbage)) }
	for name, c := range map[string]struct {
		answer string
		want   [3]string
	}{
		"in order":                        {`[{"id":1,"result":1},{"id":3,"result":3},{"id":4,"result":4}]`, [3]string{`{"id":1.0,"result":1}`, `{"id":"x","result":3}`, `{"id":null,"result":4}`}},
		"shuffled":                        {` [ {"result":{"id":9},"id":4} ,{"error":{"code":1},"id" : 1 },{"id":3,"result":null}] `, [3]string{`{"error":{"code":1},"id" : 1.0 }`, `{"id":"x","result":null}`, `{"result":{"id":9},"id":null}`}},
		"some":                            {`[{"id":3,"result":3}]`, [3]string{omitted("1.0"), `{"id":"x","result":3}`, omitted("null")}},
		"twice":                           {`[{"id":3,"result":3},{"id":3,"result":4},{"id":1,"result":1},{"id":4,"result":1}]`, [3]string{`{"id":1.0,"result":1}`, `{"id":"x","result":3}`, `{"id":null,"result":1}`}},
		"of a notification and of nobody": {`[{"id":2,"result":3},{"id":0,"result":3},{"id":99,"result":3},{"id":"1","result":3},{"id":-1,"result":1},5,null,"x"]`, [3]string{omitted("1.0"), omitted(`"x"`), omitted("null")}},
		"without a result":                {`[{"id":1},{"id":3,"results":1},{"id":4,"Error":1}]`, [3]string{garbage("1.0"), garbage(`"x"`), garbage("null")}},
		"one error for all":               {`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}`, [3]string{`{"jsonrpc":"2.0","id":1.0,"error":{"code":-32600,"message":"no batches"}}`, `{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"no batches"}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}`}},
		"no JSON":                         {`<html>`, [3]string{garbage("1.0"), garbage(`"x"`), garbage("null")}},
		"cut":                             {`[{"id":1,"result":1}`, [3]string{garbage("1.0"), garbage(`"x"`), garbage("null")}},
		"nothing":                         {``, [3]string{garbage("1.0"), garbage(`"x"`), garbage("null")}},
		"empty":                           {`[]`, [3]string{omitted("1.0"), omitted(`"x"`), omitted("null")}},
	} {
		t.Run(name, func(t *testing.T) {
			got := sortAnswers([]byte(c.answer), calls)
			if got[1].text != nil {
				t.Errorf("a notification got %s", got[1].text)
			}
			for i, index := range []int{0, 2, 3} {
				if string(got[index].text) != c.want[i] {
					t.Errorf("call %d got %s, not %s", index, got[index].text, c.want[i])
				}
			}
		})
	}
}

func TestWalkerFindsIDs(t *testing.T) {
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":{"id":2}}`:                  `1`,
		`{"result":["id",{"id":2,"x":[{"id":3}]}],"id" : "a\"}{b" }`:  `"a\"}{b"`,
		`[{"id":1,"result":"id"},{"result":{"id":4},"id":null},7,[]]`: `1 null`,
		`{"method":"eth_subscription","params":{"id":1}}`:             ``,
		`{"result":"\\","id":5}`:                                      `5`,
		`[]`:                                                          ``,
	} {
		for chunk := 1; chunk <= len(text); chunk++ {
			var w walker
			for at := 0; at < len(text); at += chunk {
				w.feed([]byte(text[at:min(at+chunk, len(text))]))
			}
			if got := string(bytes.Join(w.ids, []byte(" "))); got != want || !w.ended() {
				t.Errorf("%s by %d: got %s", text, chunk, got)
			}
		}
	}
}

// FuzzAnswers compares the two readers of answers, and both with encoding/json.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"id":2}}`), uint8(3))
	f.Add([]byte(`[{"id":1,"result":"id"},{"result":{"id":4},"id":"a\"b"},7,[{"id":1}]]`), uint8(5))
	f.Fuzz(func(t *testing.T, text []byte, chunk uint8) {
		answers, batch, ok := readAnswers(text, len(text))
		if ok != json.Valid(text) {
			t.Fatalf("%s: got %v", text, ok)
		}
		var w walker
		rest := text
		for len(rest) > 0 && !w.ended() {
			part := rest[:min(len(rest), int(chunk)+1)]
			n := w.feed(part)
			rest = rest[n:]
		}
		if !ok || !likeJSON(text) {
			return
		}
		if !w.ended() || len(bytes.TrimLeft(rest, " \t\r\n")) > 0 || w.batch() != batch {
			t.Fatalf("%s: ends before %q", text, rest)
		}
		all := []json.RawMessage{text}
		if batch {
			all = nil // its bytes would be overwritten
			if err := json.Unmarshal(text, &all); err != nil {
				return // nested too deep for it
			}
		}
		plain := len(all) == len(answers) // arrays within a batch have no names, and an id no structure
		var want []string
		for _, a := range answers {
			plain = plain && a.id != nil && strings.Count(string(a.raw), "id") == 1 && !bytes.ContainsAny(a.id, `[{\`) && len(a.id) < maxID
			want = append(want, string(a.id))
		}
		if got := string(bytes.Join(w.ids, []byte(" "))); plain && got != strings.Join(want, " ") {
			t.Fatalf("%s: got ids %s, not %s", text, got, want)
		}
	})
}

func TestSameID(t *testing.T) {
	for _, same := range [][2]string{{"1", "1.0"}, {"1e2", "100"}, {`"a"`, `"\u0061"`}, {"null", "null"}, {"12345678901234567890", "12345678901234567890"}} {
		if sameID([]byte(same[0])) != sameID([]byte(same[1])) {
			t.Errorf("%s and %s differ", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"1", `"1"`}, {"1", "2"}, {"null", `"null"`}, {"12345678901234567890", "12345678901234567891"}} {
		if sameID([]byte(other[0])) == sameID([]byte(other[1])) {
			t.Errorf("%s and %s are the same", other[0], other[1])
		}
	}
}
