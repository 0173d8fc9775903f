package extapi

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// typedDocument is a document of a shape in use, with its known digest.
type typedDocument struct {
	Name     string
	Digest   common.Hash
	Document json.RawMessage
}

func readTypedDocuments(t testing.TB) []typedDocument {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "typed-documents.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var documents []typedDocument
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var document typedDocument
		if err := json.Unmarshal(lines.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, document)
	}
	if err := lines.Err(); err != nil || len(documents) == 0 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	return documents
}

// Documents in use are signed, with the digest of ethers and eth-sig-util, and
// both methods sign the same.
func TestTypedDataInUse(t *testing.T) {
	server := newDataServer(t, 1, 1337)
	for _, document := range readTypedDocuments(t) {
		t.Run(document.Name, func(t *testing.T) {
			direct, err := server.call("account_signTypedData", testAccount, string(document.Document))
			if err != nil {
				t.Fatal(err)
			}
			wantSignedBy(t, direct, document.Digest, 27)
			asData, err := server.call("account_signData", `"Data/Typed; charset=utf-8"`, testAccount, hexOf(string(document.Document)))
			if err != nil || string(asData) != string(direct) {
				t.Fatalf("as data: %s, %v; direct: %s", asData, err, direct)
			}
		})
	}
}

// What is shown is what is signed: a document made of the messages alone has
// the digest that is signed.
func TestTypedDataShownIsSigned(t *testing.T) {
	var texts [][]byte
	for _, document := range readTypedDocuments(t) {
		texts = append(texts, document.Document)
	}
	random := rand.New(rand.NewPCG(712, 3))
	for range 300 {
		texts = append(texts, document(t, newDocument(random), false))
	}
	for _, text := range texts {
		signed := encodeText(t, text)
		shown, err := json.Marshal(map[string]any{
			"types":       signed.document.Types,
			"primaryType": signed.messages[1].Name,
			"domain":      unshown(t, signed.messages[0].Value, domainType),
			"message":     unshown(t, signed.messages[1].Value, signed.messages[1].Name),
		})
		if err != nil {
			t.Fatal(err)
		}
		if again := encodeText(t, shown); again.digest != signed.digest {
			t.Errorf("shown is %v, signed %v: document %s, shown %s", again.digest, signed.digest, text, shown)
		}
	}
}

// hexToken is one value in the shown form of an array of bytes.
var hexToken = regexp.MustCompile(`0x[0-9a-fA-F]*`)

// unshown turns what is shown of a value of a type back into the value.
func unshown(t *testing.T, shown any, kind string) any {
	t.Helper()
	isArray := strings.HasSuffix(kind, "]")
	switch shown := shown.(type) {
	case nil:
		return []any{}
	case []*apitypes.NameValueType:
		if isArray {
			elements := []any{}
			for _, element := range shown {
				elements = append(elements, unshown(t, element.Value, element.Typ))
			}
			return elements
		}
		members := map[string]any{}
		for _, member := range shown {
			members[member.Name] = unshown(t, member.Value, member.Typ)
		}
		return members
	case string:
		switch {
		case isArray: // of bytes
			var elements []any
			text := strings.ReplaceAll(hexToken.ReplaceAllString(shown, `"$0"`), " ", ",")
			if err := json.Unmarshal([]byte(text), &elements); err != nil {
				t.Fatalf("%s: %v", shown, err)
			}
			return elements
		case kind == "bool":
			return shown == "true"
		case strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "int"):
			decimal, _, _ := strings.Cut(shown, " ")
			return decimal
		default:
			return shown
		}
	default:
		t.Fatalf("%T is shown", shown)
		return nil
	}
}
