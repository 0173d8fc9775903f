package approvals

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// FuzzShown: what people vote on is what has the hash, and of the ticket that they
// asked for.
func FuzzShown(f *testing.F) {
	f.Add([]byte(`{"text":"{}","hash":"0x00"}`), "abcd")
	f.Add([]byte(`{"text":"{\"id\":\"abcd\",\"subject\":{}}"}`), "abcd")
	f.Add([]byte(`{"text":"{\"id\":\"abcd\",\"subject\":null}","state":"open"}`), "abcd")
	f.Fuzz(func(t *testing.T, answer []byte, id string) {
		for _, right := range []bool{false, true} {
			var shown Shown
			if json.Unmarshal(answer, &shown.View) != nil {
				return
			}
			hash := common.Hash(sha256.Sum256([]byte(shown.View.Text)))
			if right {
				shown.View.Hash = hash.Hex()
			}
			if err := shown.open(id); err != nil {
				continue
			}
			if shown.View.Hash != hash.Hex() || shown.Ticket.Content.ID != id {
				t.Errorf("%s is shown for %q", answer, id)
			}
		}
	})
}
