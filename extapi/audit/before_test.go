package audit

import (
	"strings"
	"testing"
)

// TestBefore: the log before is written as it is, or not at all.
func TestBefore(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	for name, tt := range map[string]struct {
		before Before
		good   bool
	}{
		"a path":     {Before{"/var/log/kvclef/böse \"x\" <1>.log", 7, hash}, true},
		"none":       {Before{"", 7, hash}, false},
		"long":       {Before{"/" + strings.Repeat("a", MaxBeforeLog), 7, hash}, false},
		"not UTF-8":  {Before{"/\xff", 7, hash}, false},
		"direction":  {Before{"/\u202e", 7, hash}, false},
		"no entry":   {Before{"/a", 0, hash}, false},
		"no hash":    {Before{"/a", 7, hash[1:]}, false},
		"odd hash":   {Before{"/a", 7, strings.ToUpper(hash)}, false},
		"a long one": {Before{"/" + strings.Repeat("a", MaxBeforeLog-1), 7, hash}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Entry{Event: EventStart, Before: &tt.before}
			if _, err := encodeBody(e); (err == nil) != tt.good {
				t.Fatal(err)
			}
			if !tt.good {
				return
			}
			text := line(t, beginning(), e)
			got, _, err := decodeLine(text[:len(text)-1])
			if err != nil || got.Before == nil || *got.Before != tt.before {
				t.Errorf("%+v, %v", got.Before, err)
			}
		})
	}
}
