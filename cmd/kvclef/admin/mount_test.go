//go:build unix

package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestMount hands requests on by the longest path, while the server runs.
func TestMount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.sock")
	server, err := Start(t.Context(), path, failingStore{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout) //nolint:usetesting // the test's context has ended
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	ask := func(path string) string {
		var answer string
		if err := connect(t, server.path).Ask(t.Context(), http.MethodPost, path, strings.NewReader(strings.Repeat("x", maxMounted)), &answer); err != nil {
			return err.Error()
		}
		return answer
	}
	mount := func(prefix, name string) {
		server.Mount(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err != nil || len(body) != maxMounted {
				t.Errorf("a body of %d bytes: %v", len(body), err)
			}
			_, _ = io.WriteString(w, `"`+name+" "+r.URL.Path+`"`)
		}))
	}
	compare := func(want map[string]string) {
		t.Helper()
		for path, want := range want {
			if got := ask(path); !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		}
	}
	compare(map[string]string{
		PathTransactions: "it stands in front of no node", PathTransactions + "/0x": "it stands in front of no node",
		PathHosted: "it hosts no services", PathHosted + "/x": "it hosts no services", "/v1/other": "answers with 404 Not Found", pathBackup: "404",
	})
	mount(PathTransactions, "sent")
	mount(PathHosted+"/", "hosted")
	mount(PathHosted+"/deeper", "deeper")
	compare(map[string]string{
		PathTransactions: "sent /v1/transactions", PathTransactions + "/0x/bump": "sent /v1/transactions/0x/bump", PathTransactions + "x": "404",
		PathHosted: "hosted /api/v1", PathHosted + "/x": "hosted /api/v1/x", PathHosted + "/deeper": "deeper /api/v1/deeper",
		PathHosted + "/deeper/x": "deeper /api/v1/deeper/x", PathHosted + "/deeperx": "hosted /api/v1/deeperx", "/api/v10": "404", "/": "404",
	})
	mount(PathTransactions, "other")
	compare(map[string]string{PathTransactions: "other /v1/transactions"})

	server.Mount("/read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err := Refuse(w, http.StatusRequestEntityTooLarge, err); err != nil {
			t.Error(err)
		}
	}))
	err = connect(t, path).Ask(t.Context(), http.MethodPost, "/read", strings.NewReader(strings.Repeat("x", maxMounted+1)), nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusRequestEntityTooLarge || !strings.Contains(refused.Text, "too large") {
		t.Errorf("a body that is too large: %v", err)
	}
}

// TestNobodyIsAnsweredWhileWriting: who is still writing when it is clear that the
// request is refused would find a broken pipe in the place of the reason.
func TestNobodyIsAnsweredWhileWriting(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	left := maxMounted
	body := func(p []byte) (int, error) {
		if recorder.Body.Len() > 0 {
			t.Errorf("answered with %d bytes to come", left)
		}
		n := min(len(p), left, 1000)
		if left -= n; left == 0 {
			return n, io.EOF
		}
		return n, nil
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathTransactions, readerFunc(body))
	newHandler(failingStore{}, slog.New(slog.DiscardHandler)).routes().ServeHTTP(recorder, request)
	if left != 0 || recorder.Code != http.StatusConflict {
		t.Errorf("%d bytes were not read; answered with %d", left, recorder.Code)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
