package extapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
)

// testBlobs returns blobs with their commitments and hashes, and the proofs of
// a sidecar version.
func testBlobs(t testing.TB, n int, version byte) *types.BlobTxSidecar {
	t.Helper()
	blobs := make([]kzg4844.Blob, n)
	commitments := make([]kzg4844.Commitment, n)
	var proofs []kzg4844.Proof
	for i := range blobs {
		blobs[i][1] = byte(i + 1)
		commitment, err := kzg4844.BlobToCommitment(&blobs[i])
		if err != nil {
			t.Fatal(err)
		}
		commitments[i] = commitment
		if version == types.BlobSidecarVersion1 {
			cells, err := kzg4844.ComputeCellProofs(&blobs[i])
			if err != nil {
				t.Fatal(err)
			}
			proofs = append(proofs, cells...)
			continue
		}
		proof, err := kzg4844.ComputeBlobProof(&blobs[i], commitment)
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, proof)
	}
	return types.NewBlobTxSidecar(version, blobs, commitments, proofs)
}

var blobFee = with(dynamicFee, map[string]any{"maxFeePerBlobGas": "0x3b9aca00"})

// TestSignBlobs: sidecars of both versions, given or computed, come back whole,
// and the digest doesn't depend on them.
func TestSignBlobs(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	client := inProcess(t, account)
	for _, version := range []byte{types.BlobSidecarVersion0, types.BlobSidecarVersion1} {
		sidecar := testBlobs(t, 2, version)
		whole := map[string]any{"blobs": sidecar.Blobs, "commitments": sidecar.Commitments, "proofs": sidecar.Proofs}
		bare, err := sign(t, client, with(blobFee, map[string]any{"blobVersionedHashes": sidecar.BlobHashes()}))
		if err != nil {
			t.Fatal(err)
		}
		for name, members := range map[string]map[string]any{
			"given":              whole,
			"given with hashes":  with(whole, map[string]any{"blobVersionedHashes": sidecar.BlobHashes()}),
			"given with version": with(whole, map[string]any{"blobVersion": version}),
			"computed":           {"blobs": sidecar.Blobs, "blobVersion": version},
		} {
			answer, err := sign(t, client, with(blobFee, members))
			if err != nil {
				t.Fatalf("version %d, %s: %v", version, name, err)
			}
			got := answer.tx.BlobTxSidecar()
			if got == nil || got.Version != version || len(got.Proofs) != len(sidecar.Proofs) || got.Proofs[1] != sidecar.Proofs[1] {
				t.Errorf("version %d, %s: another sidecar came back", version, name)
			}
			if answer.tx.Hash() != bare.tx.Hash() {
				t.Errorf("version %d, %s: the sidecar changed what is signed", version, name)
			}
			var inJSON struct {
				Blobs  []hexutil.Bytes
				Proofs []hexutil.Bytes
			}
			if err := json.Unmarshal(answer.out, &inJSON); err != nil || len(inJSON.Blobs) != 2 || len(inJSON.Proofs) != len(sidecar.Proofs) {
				t.Errorf("version %d, %s: %d blobs in tx (%v)", version, name, len(inJSON.Blobs), err)
			}
			if req := decider.last(t); req.Transaction.BlobTxSidecar() != nil || len(req.Transaction.BlobHashes()) != 2 {
				t.Errorf("version %d, %s: rules see a sidecar, or no hashes", version, name)
			}
		}
	}
}

// TestDeviation23BlobsByHash: rules see hashes, where Clef's get 262 kB a blob.
func TestDeviation23BlobsByHash(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	sidecar := testBlobs(t, 1, types.BlobSidecarVersion0)
	if _, err := sign(t, inProcess(t, account), with(blobFee, map[string]any{"blobs": sidecar.Blobs})); err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(decider.last(t).TransactionArgs)
	if err != nil || len(shown) > 1000 || !strings.Contains(string(shown), sidecar.BlobHashes()[0].Hex()) {
		t.Errorf("rules see %d bytes: %.1000s (%v)", len(shown), shown, err)
	}
}

// TestSidecarsThatDontFit: blob members that don't belong together.
func TestSidecarsThatDontFit(t *testing.T) {
	v0, v1 := testBlobs(t, 2, types.BlobSidecarVersion0), testBlobs(t, 2, types.BlobSidecarVersion1)
	wrongProof := []kzg4844.Proof{v0.Proofs[1], v0.Proofs[0]}
	wrongCells := append([]kzg4844.Proof{}, v1.Proofs...)
	wrongCells[0], wrongCells[1] = wrongCells[1], wrongCells[0]
	notCanonical := make([]kzg4844.Blob, 1)
	for i := range notCanonical[0] {
		notCanonical[0][i] = 0xff
	}
	whole := func(changes map[string]any) map[string]any {
		return with(map[string]any{"blobs": v0.Blobs, "commitments": v0.Commitments, "proofs": v0.Proofs}, changes)
	}
	refusedCases{
		"proofs alone":         {whole(map[string]any{"commitments": nil}), "blob proofs provided while commitments were not"},
		"commitments alone":    {whole(map[string]any{"proofs": nil}), "blob commitments provided while proofs were not"},
		"a commitment missing": {whole(map[string]any{"commitments": v0.Commitments[:1]}), "number of blobs and commitments mismatch (have=1, want=2)"},
		"a hash missing":       {whole(map[string]any{"blobVersionedHashes": v0.BlobHashes()[:1]}), "number of blobs and hashes mismatch (have=1, want=2)"},
		"a proof missing":      {whole(map[string]any{"proofs": v0.Proofs[:1]}), "number of proofs and blobs mismatch (have=1, want=2 or 256)"},
		"no proofs":            {whole(map[string]any{"proofs": []any{}}), "number of proofs and blobs mismatch (have=0, want=2 or 256)"},
		"wrong proofs":         {whole(map[string]any{"proofs": wrongProof}), "failed to verify blob proof: "},
		"wrong cell proofs":    {whole(map[string]any{"proofs": wrongCells}), "failed to verify blob proof: "},
		"other hashes":         {whole(map[string]any{"blobVersionedHashes": []any{someHash, someHash}}), "blob hash verification failed (have=" + someHash},
		"version 1, proofs 0":  {whole(map[string]any{"blobVersion": 1}), "blobVersion 1 does not agree with 2 proofs: want 256"},
		"version 0, proofs 1":  {whole(map[string]any{"blobVersion": 0, "proofs": v1.Proofs}), "blobVersion 0 does not agree with 256 proofs: want 2"},
		"version 2":            {whole(map[string]any{"blobVersion": 2}), "blobVersion 2 is unknown"},
		"not canonical":        {map[string]any{"blobs": notCanonical}, "blobs[0]: error computing commitment"},
		"short blob":           {map[string]any{"blobs": []any{"0x00"}}, "want 262144 for kzg4844.Blob"},
	}.check(t, blobFee, nil)
}

// TestSidecarsWait: a request with blobs waits for a place, until its caller
// leaves; one without doesn't.
func TestSidecarsWait(t *testing.T) {
	account, _ := newTestAccount(t, nil)
	for range cap(account.sidecars) {
		account.sidecars <- struct{}{}
	}
	client := inProcess(t, account)
	if _, err := sign(t, client, dynamicFee); err != nil {
		t.Error(err)
	}
	raw, err := json.Marshal(with(blobFee, map[string]any{"blobs": make([]kzg4844.Blob, 1)}))
	if err != nil {
		t.Fatal(err)
	}
	var args TransactionArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := account.SignTransaction(ctx, args, nil); err == nil {
		t.Error("a request with blobs did not wait")
	}
	<-account.sidecars
	if _, err := account.SignTransaction(t.Context(), args, nil); err != nil || len(account.sidecars) != cap(account.sidecars)-1 {
		t.Errorf("signing: %v, %d places taken", err, len(account.sidecars))
	}
}
