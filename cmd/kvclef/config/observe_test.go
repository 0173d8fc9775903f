package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestObserveIsValidated(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`metrics: {enabled: true, addr: ""}`:                            "metrics.addr is empty",
		`tracing: {sample: 1.5}`:                                        "tracing.sample: 1.5 is not from 0 to 1",
		`tracing: {sample: .nan}`:                                       "tracing.sample: NaN",
		`tracing: {endpoint: "localhost:4318"}`:                         "it is no URL such as http://localhost:4318",
		`tracing: {endpoint: "https://user:hunter2@otel.example"}`:      "a URL with a user",
		`tracing: {endpoint: "https://otel.example/?key=hunter2"}`:      "a URL with a user, a query",
		`{metrics: {enabled: true}, tracing: {endpoint: "http://a:1"}}`: "",
	} {
		cfg, err := Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		switch err := cfg.Validate(); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTracingHeaders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(path, []byte("# who we are\nAuthorization: Bearer x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	headers, err := (&Tracing{HeadersFile: path}).Headers()
	if err != nil || len(headers) != 1 || headers["Authorization"] != "Bearer x" {
		t.Errorf("%v, %v", headers, err)
	}
	if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Tracing{HeadersFile: path}).Headers(); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "headers:1 is not NAME: VALUE") {
		t.Errorf("a line without a name: %v", err)
	}
}
