package emulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/backend/emulator"
)

type recording struct {
	Entries []entry `json:"entries"`
}

type entry struct {
	Method   string            `json:"method"`
	Path     string            `json:"path_and_query"`
	Request  json.RawMessage   `json:"request_body"`
	Status   int               `json:"status"`
	Headers  map[string]string `json:"headers"`
	Response json.RawMessage   `json:"response_body"`
}

// TestRecordings replays what was recorded at the real services: same status,
// same headers where they say something, same members of the same types and, but
// for ids, times, keys and signatures, the same values.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/recordings/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("recordings: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var rec recording
			if err := json.Unmarshal(b, &rec); err != nil {
				t.Fatal(err)
			}
			flavor := emulator.KeyVault
			if strings.HasSuffix(file, "-managedhsm.json") {
				flavor = emulator.ManagedHSM
			}
			newReplay(t, flavor, rec).run(t)
		})
	}
}

// replay sends a recording's requests, with the recorded versions and signatures
// replaced by those that the emulator answered in their stead.
type replay struct {
	server   *emulator.Server
	client   *rawClient
	rec      recording
	replaced map[string]string
}

func newReplay(t *testing.T, flavor emulator.Flavor, rec recording) *replay {
	s := start(t, emulator.Options{
		Vaults:   []emulator.VaultOptions{{Name: "test", Flavor: flavor}},
		TenantID: "00000000-0000-0000-0000-000000000000",
	})
	r := &replay{server: s, client: newRaw(t, s, "test", true), rec: rec, replaced: map[string]string{}}
	r.prepare(t)
	return r
}

// prepare makes the keys that the recording lists but does not create.
func (r *replay) prepare(t *testing.T) {
	created := map[string]bool{}
	for _, e := range r.rec.Entries {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(e.Path, "/keys/"), "/create?api-version=7.5"); ok {
			created[name] = true
		}
		var list struct {
			Value []struct {
				KID        string `json:"kid"`
				Attributes struct {
					Enabled     bool   `json:"enabled"`
					NBF         int64  `json:"nbf"`
					EXP         int64  `json:"exp"`
					HSMPlatform string `json:"hsmPlatform"`
				} `json:"attributes"`
				Managed bool `json:"managed"`
			} `json:"value"`
		}
		if !strings.HasPrefix(e.Path, "/keys?") {
			continue
		}
		if err := json.Unmarshal(e.Response, &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Value {
			name := item.KID[strings.LastIndex(item.KID, "/")+1:]
			if created[name] {
				continue
			}
			o := emulator.KeyOptions{Disabled: !item.Attributes.Enabled, Managed: item.Managed, HSM: item.Attributes.HSMPlatform == "2"}
			if item.Attributes.NBF != 0 {
				o.NotBefore, o.Expires = time.Unix(item.Attributes.NBF, 0), time.Unix(item.Attributes.EXP, 0)
			}
			if _, err := r.server.CreateKeyWith("test", name, o); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (r *replay) run(t *testing.T) {
	for i, e := range r.rec.Entries {
		t.Run(fmt.Sprintf("%d %s %s", i, e.Method, e.Path), func(t *testing.T) {
			if e.Status == http.StatusNotFound {
				// The service deletes with delay; the emulator must be told to.
				defer r.server.Inject(emulator.Fault{Op: emulator.OpDeletedGet, Kind: emulator.FaultNotFound, Times: 1})()
			}
			answer := r.client.must(t, r.request(t, e))
			if answer.status != e.Status {
				t.Fatalf("status %d, recorded %d: %s", answer.status, e.Status, answer.body)
			}
			checkHeaders(t, answer.header, e.Headers)
			r.checkBody(t, e, answer.body)
		})
	}
}

func (r *replay) request(t *testing.T, e entry) *http.Request {
	substitute := func(text string) string {
		for recorded, ours := range r.replaced {
			text = strings.ReplaceAll(text, recorded, ours)
		}
		return text
	}
	h := http.Header{}
	if e.Status != http.StatusUnauthorized {
		h.Set("Authorization", "Bearer "+r.client.token)
	}
	body := ""
	if string(e.Request) != "null" {
		body = substitute(string(e.Request))
		h.Set("Content-Type", "application/json")
	}
	return r.client.request(t, e.Method, r.client.base+substitute(e.Path), strings.NewReader(body), h)
}

func checkHeaders(t *testing.T, got http.Header, recorded map[string]string) {
	for _, name := range []string{"WWW-Authenticate", "Content-Type", "x-ms-keyvault-region", "x-ms-keyvault-service-version", "Retry-After"} {
		want, present := recorded[name]
		if _, ok := got[http.CanonicalHeaderKey(name)]; ok != present {
			t.Errorf("header %s: present %t, recorded %t", name, ok, present)
			continue
		}
		if name != "x-ms-keyvault-region" && got.Get(name) != want {
			t.Errorf("header %s: %q, recorded %q", name, got.Get(name), want)
		}
	}
}

func (r *replay) checkBody(t *testing.T, e entry, body []byte) {
	if string(e.Response) == "null" {
		if len(body) != 0 {
			t.Errorf("body %q, recorded none", body)
		}
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil || compact.Len() != len(body) {
		t.Errorf("the body is not compact JSON: %q, %v", body, err)
	}
	var got, want any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.Response, &want); err != nil {
		t.Fatal(err)
	}
	r.learn(got, want)
	g, w := normalised(t, "", got), normalised(t, "", want)
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got      %v\nrecorded %v", g, w)
	}
}

// learn remembers what stands for the recorded key version and signature.
func (r *replay) learn(got, want any) {
	g, _ := got.(map[string]any)
	w, _ := want.(map[string]any)
	for _, name := range []string{"kid", "value"} {
		ours, ok1 := g[name].(string)
		recorded, ok2 := w[name].(string)
		if ok1 && ok2 {
			r.replaced[recorded[strings.LastIndex(recorded, "/")+1:]] = ours[strings.LastIndex(ours, "/")+1:]
		}
	}
	if g["key"] != nil {
		r.learn(g["key"], w["key"])
	}
}

var versionInID = regexp.MustCompile(`/[0-9a-f]{32}$`)

// normalised replaces what differs from run to run by what must not: the shape of
// ids, the length of encoded numbers, the integrality of times.
func normalised(t *testing.T, name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for member, x := range v {
			out[member] = normalised(t, member, x)
		}
		if deleted, ok := v["deletedDate"].(float64); ok {
			out["retention"] = v["scheduledPurgeDate"].(float64) - deleted
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = normalised(t, name, x)
		}
		// The order of key_ops, and of Managed HSM's lists, varies at the service.
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return out
	case string:
		switch name {
		case "kid":
			return versionInID.ReplaceAllString(v, "/VERSION")
		case "x", "y", "n", "value":
			return fmt.Sprintf("%d characters", len(v))
		}
		return v
	case float64:
		switch name {
		case "created", "updated", "deletedDate", "scheduledPurgeDate":
			return v == float64(int64(v)) && v > 1.7e9
		}
		return v
	}
	return value
}
