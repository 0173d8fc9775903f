package console

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzFlow: the cookie of a sign-in at an issuer is what it was, or none, and leads
// to a page of the console.
func FuzzFlow(f *testing.F) {
	s := secret()
	for _, cookie := range []string{"", "|||", flow{s, s, s, "/history"}.String(), flow{s, s, s, "//evil.example"}.String(), flow{s, s, s + s, "/"}.String() + "|"} {
		f.Add(cookie)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		got, ok := flowOf(cookie)
		if !ok {
			if got != (flow{}) {
				t.Errorf("%+v of none", got)
			}
			return
		}
		if again, ok := flowOf(got.String()); !ok || again != got {
			t.Errorf("%+v is read back as %+v", got, again)
		}
		inside(t, got.Next)
	})
}

// FuzzNext: nobody is led from the console to elsewhere.
func FuzzNext(f *testing.F) {
	for _, path := range []string{"/", "//evil.example", "/\\evil.example", "/tickets/abcd", "/tickets/../x", "https://evil.example", "/history\n", "/%2f"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		inside(t, nextOf(path))
		inside(t, signinPath(path))
	})
}

func inside(t *testing.T, path string) {
	t.Helper()
	base := &url.URL{Scheme: "https", Host: "console.example", Path: "/"}
	to, err := base.Parse(path)
	if err != nil || to.Scheme != "https" || to.Host != "console.example" || strings.ContainsAny(path, "\\\r\n\x00") {
		t.Errorf("%q leads elsewhere: %v, %v", path, to, err)
	}
}
