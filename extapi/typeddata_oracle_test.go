package extapi

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// oracleDocuments is how many random documents are compared.
const oracleDocuments = 300

// Digests are those of two independent implementations: ethers, and
// go-ethereum's apitypes. Of documents in which one value was replaced at
// random, what is accepted here must be accepted there, with the same digest.
func TestTypedDataAgainstOtherImplementations(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Node and an npm registry")
	}
	random := rand.New(rand.NewPCG(712, 1))
	var lines bytes.Buffer
	var documents [][]byte
	var digests []common.Hash
	add := func(tree map[string]any, encoded *encodedDocument) {
		lines.Write(append(document(t, tree, true), '\n'))
		documents = append(documents, document(t, tree, false))
		digests = append(digests, encoded.digest)
	}
	for range oracleDocuments {
		tree := newDocument(random)
		encoded := encodeText(t, document(t, tree, false))
		if theirs, _, err := apitypes.TypedDataAndHash(*encoded.document); err != nil || common.BytesToHash(theirs) != encoded.digest {
			t.Errorf("apitypes: %x, %v; ours: %v; document %s", theirs, err, encoded.digest, document(t, tree, false))
		}
		add(tree, encoded)
	}
	accepted := 0
	for range 3 * oracleDocuments {
		tree := newDocument(random)
		tree["message"] = mutated(random, tree["message"])
		var decoded TypedData
		if decoded.UnmarshalJSON(document(t, tree, false)) != nil {
			continue
		}
		if encoded, err := encodeTypedData(&decoded); err == nil {
			add(tree, encoded)
			accepted++
		}
	}
	if accepted == 0 || accepted == 3*oracleDocuments {
		t.Errorf("%d of %d changed documents were accepted", accepted, 3*oracleDocuments)
	}
	answers := strings.Split(strings.TrimSpace(runOracle(t, &lines)), "\n")
	if len(answers) != len(documents) {
		t.Fatalf("%d answers for %d documents", len(answers), len(documents))
	}
	for i, answer := range answers {
		if answer != digests[i].Hex() {
			t.Errorf("ethers: %s; ours: %v; document %s", answer, digests[i], documents[i])
		}
	}
}

// encodeText decodes and encodes a document that must be valid.
func encodeText(t testing.TB, text []byte) *encodedDocument {
	t.Helper()
	var decoded TypedData
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
	encoded, err := encodeTypedData(&decoded)
	if err != nil {
		t.Fatalf("encoding %s: %v", text, err)
	}
	return encoded
}

// runOracle installs ethers in a directory of the test and feeds it documents.
func runOracle(t *testing.T, documents *bytes.Buffer) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "oracle.mjs"} {
		content, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	return run(t, dir, documents, "node", "oracle.mjs")
}

// run runs a program in a directory and returns what it printed.
func run(t *testing.T, dir string, input *bytes.Buffer, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var printed, complaints bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &printed, &complaints
	if input != nil {
		command.Stdin = input
	}
	if err := command.Run(); err != nil {
		t.Fatalf("running %s %v: %v\n%s%s", name, args, err, &printed, &complaints)
	}
	return printed.String()
}
