package suggest

import "testing"

func TestNearest(t *testing.T) {
	commands := []string{"serve", "dev", "emulator", "keys", "check", "version", "completion"}
	for _, tt := range []struct{ name, want string }{
		{"server", "serve"},
		{"sevre", "serve"},
		{"kesy", "keys"},
		{"emulater", "emulator"},
		{"VERSION", "version"},
		{"attest", ""},
		{"", ""},
		{"xyzzy", ""},
	} {
		if got := Nearest(tt.name, commands); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"", "ab", 2},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"chainid", "chianid", 1},
		{"kitten", "sitting", 3},
		{"http.port", "http.prot", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
