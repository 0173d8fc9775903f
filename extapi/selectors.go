package extapi

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/fourbyte"

	"github.com/kvclef/kvclef/rules/calldata"
)

// DefaultFourByteFile is Clef's default for --4bytedb-custom.
const DefaultFourByteFile = "./4byte-custom.json"

// maxSelectors bounds the custom file, in bytes: some times what go-ethereum's own has.
const maxSelectors = 64 << 20

// selectors find the signature of a method, such as
// "transfer(address,uint256)", by the first four bytes of its hash.
type selectors struct {
	custom map[[4]byte]string
	named  func(selector [4]byte) []string // by what decides; nil: none
}

// embedded is go-ethereum's table of selectors, a constant. It is made at the
// first look-up, in about 0.2 s: many signers never see call data.
var embedded = sync.OnceValues(loadSelectors)

// Prepare reads the table of method selectors, which takes a third of a second
// that the first request with call data would otherwise wait for. It is no
// method of [Account]: callers can reach those.
func Prepare() error {
	_, err := embedded()
	return err
}

// KnownMethod tells whether a signature is the one that the table of method selectors
// has for its selector. Others are what a caller, a custom file or a policy says.
func KnownMethod(signature string) bool {
	table, err := embedded()
	if err != nil {
		return false
	}
	known, ok := table.find([4]byte(crypto.Keccak256([]byte(signature))))
	return ok && known == signature
}

// loadSelectors makes the table of go-ethereum's selectors.
func loadSelectors() (*selectorTable, error) {
	database, err := fourbyte.New()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded selectors: %w", err)
	}
	return compact(database)
}

// newSelectors reads the custom file. Clef learns of a malformed one as well,
// but also adds to it whatever callers send.
func newSelectors(customFile string) (*selectors, error) {
	if customFile == "" {
		return &selectors{}, nil
	}
	raw, err := readOrdinary(customFile, maxSelectors, nil)
	if errors.Is(err, fs.ErrNotExist) && customFile == DefaultFourByteFile {
		return &selectors{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading custom selectors: %w", err)
	}
	custom, err := parseSelectors(raw)
	if err != nil {
		return nil, fmt.Errorf("reading custom selectors %s: %w", customFile, err)
	}
	return &selectors{custom: custom}, nil
}

// CheckSelectors tells whether a custom file of method selectors can be used.
func CheckSelectors(raw []byte) error {
	_, err := parseSelectors(raw)
	return err
}

// parseSelectors decodes {"a9059cbb": "transfer(address,uint256)", …}. An entry
// whose hash is another would show a wrong method, and is an error.
func parseSelectors(raw []byte) (map[[4]byte]string, error) {
	var object map[string]string
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	if _, err := membersOf(raw); err != nil {
		return nil, err
	}
	custom := make(map[[4]byte]string, len(object))
	for id, signature := range object {
		var key [4]byte
		if n, err := hex.Decode(key[:], []byte(id[:min(len(id), 8)])); err != nil || n != 4 || len(id) != 8 {
			return nil, fmt.Errorf("%q is no selector: want 8 hex digits without 0x", clip(id))
		}
		if err := checkSelectorForm(&signature); err != nil {
			return nil, fmt.Errorf("entry %q: %w", id, err)
		}
		method, err := calldata.Parse(signature)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", id, err)
		}
		if [4]byte(method.ID) != key {
			return nil, fmt.Errorf("entry %q: the selector of %s is %x", id, signature, method.ID)
		}
		custom[key] = signature
	}
	return custom, nil
}

// find returns the signatures of a selector, of which there is one at least, in the order in
// which call data is to be decoded by them: what the operator says, by a file or by a policy,
// comes before go-ethereum's. Different methods may share a selector, and its table has but
// one of them, which anybody may have put there.
func (s *selectors) find(id [4]byte) ([]string, error) {
	table, err := embedded()
	if err != nil {
		return nil, err
	}
	var found []string
	if signature, known := s.custom[id]; known {
		found = append(found, signature)
	}
	if s.named != nil {
		found = append(found, s.named(id)...)
	}
	if signature, known := table.find(id); known {
		found = append(found, signature)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("signature %x not found", id)
	}
	return found, nil
}

// selectorTable holds selectors in two blocks of memory without pointers: a
// third of what fourbyte's map takes, and nothing for the collector to trace.
type selectorTable struct {
	ids  []selectorEntry // by id
	text string
}

// selectorEntry is a selector and where its signature is in the text.
type selectorEntry struct {
	id         [4]byte
	start, end uint32
}

// compact copies go-ethereum's selectors. The package offers no way to list
// them, so its map is read by reflection; should its form change, this fails,
// and with it the test of this file.
func compact(database *fourbyte.Database) (*selectorTable, error) {
	source := reflect.ValueOf(database).Elem().FieldByName("embedded")
	if source.Kind() != reflect.Map || source.Type().Key().Kind() != reflect.String || source.Type().Elem().Kind() != reflect.String {
		return nil, errors.New("the embedded selectors are not in the form that is known")
	}
	table := &selectorTable{ids: make([]selectorEntry, 0, source.Len())}
	var text strings.Builder
	for entries := source.MapRange(); entries.Next(); {
		entry := selectorEntry{start: uint32(text.Len())} // #nosec G115 -- the text is 8 MB
		if n, err := hex.Decode(entry.id[:], []byte(entries.Key().String())); err != nil || n != len(entry.id) {
			return nil, fmt.Errorf("the embedded selector %q is not 4 bytes", entries.Key().String())
		}
		text.WriteString(entries.Value().String())
		entry.end = uint32(text.Len()) // #nosec G115 -- the text is 8 MB
		table.ids = append(table.ids, entry)
	}
	slices.SortFunc(table.ids, func(a, b selectorEntry) int { return slices.Compare(a.id[:], b.id[:]) })
	table.text = strings.Clone(text.String())
	return table, nil
}

// find returns the signature of a selector.
func (t *selectorTable) find(id [4]byte) (string, bool) {
	at, known := slices.BinarySearchFunc(t.ids, id, func(entry selectorEntry, id [4]byte) int {
		return slices.Compare(entry.id[:], id[:])
	})
	if !known {
		return "", false
	}
	return t.text[t.ids[at].start:t.ids[at].end], true
}
