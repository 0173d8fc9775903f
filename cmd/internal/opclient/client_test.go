package opclient

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum-optimism/optimism/op-service/eth"
	opsigner "github.com/ethereum-optimism/optimism/op-service/signer"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/urfave/cli/v2"
)

// The chains of the transactions, and of the blocks.
var (
	layer1 = big.NewInt(900)
	layer2 = eth.ChainIDFromUInt64(901)
	inbox  = common.HexToAddress("0xff00000000000000000000000000000000000901")
)

// flags returns the client's configuration as a program of the OP stack reads it
// from its flags.
func (s *signer) flags(t *testing.T, folder string) opsigner.CLIConfig {
	t.Helper()
	var read opsigner.CLIConfig
	app := &cli.App{Flags: opsigner.CLIFlags("OP", ""), Action: func(c *cli.Context) error {
		read = opsigner.ReadCLIConfig(c)
		return read.Check()
	}}
	if err := app.RunContext(t.Context(), []string{
		"op", "--signer.endpoint", s.url, "--signer.address", s.account.Hex(), "--signer.tls.ca", s.path("servers.crt"),
		"--signer.tls.cert", filepath.Join(folder, "tls.crt"), "--signer.tls.key", filepath.Join(folder, "tls.key"),
	}); err != nil {
		t.Fatal(err)
	}
	return read
}

// quiet is a log that nobody reads: the client's own is noise in a test.
func quiet() log.Logger { return log.NewLogger(log.DiscardHandler()) }

// boot makes the client with the certificate in a folder. It asks for
// health_status, as op-batcher does before it does anything.
func (s *signer) boot(t *testing.T, folder string) *opsigner.SignerClient {
	t.Helper()
	client, err := opsigner.NewSignerClientFromConfig(quiet(), s.flags(t, folder))
	if err != nil {
		t.Fatalf("the client does not boot: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestClient has one signer and three callers.
func TestClient(t *testing.T) {
	clients := newAuthority(t, "clients")
	s := start(t, clients)
	folders := make(map[string]string)
	for _, name := range []string{batcher, sequencer, stranger} {
		folders[name] = t.TempDir()
		clients.client(t, folders[name], name)
	}
	t.Run("transactions", func(t *testing.T) { transactions(t, s, s.boot(t, folders[batcher])) })
	t.Run("blocks", func(t *testing.T) { blocks(t, s, folders[sequencer]) })
	t.Run("refusals", func(t *testing.T) {
		refusals(t, s, s.boot(t, folders[batcher]), s.boot(t, folders[sequencer]), s.boot(t, folders[stranger]))
	})
	t.Run("rotation", func(t *testing.T) { rotation(t, s, folders[batcher]) })
}

// transactions signs what op-batcher and op-proposer send, and what they might.
func transactions(t *testing.T, s *signer, client *opsigner.SignerClient) {
	gwei := big.NewInt(1e9)
	for name, tt := range map[string]struct {
		data types.TxData
		kind uint8
	}{
		"a batch as calldata": {&types.DynamicFeeTx{
			ChainID: layer1, Nonce: 7, GasTipCap: gwei, GasFeeCap: new(big.Int).Mul(gwei, big.NewInt(100)), Gas: 1_000_000, To: &inbox, Data: []byte{0, 1, 2, 3, 4},
		}, types.DynamicFeeTxType},
		"an empty access list": {&types.DynamicFeeTx{
			ChainID: layer1, GasTipCap: gwei, GasFeeCap: gwei, Gas: 100_000, To: &inbox, AccessList: types.AccessList{},
		}, types.DynamicFeeTxType},
		"no access list": {&types.DynamicFeeTx{ChainID: layer1, GasTipCap: gwei, GasFeeCap: gwei, Gas: 100_000, To: &inbox}, types.DynamicFeeTxType},
		"an access list": {&types.DynamicFeeTx{
			ChainID: layer1, GasTipCap: gwei, GasFeeCap: gwei, Gas: 100_000, To: &inbox,
			AccessList: types.AccessList{{Address: inbox, StorageKeys: []common.Hash{{1}, {2}}}},
		}, types.DynamicFeeTxType},
		"value": {&types.DynamicFeeTx{
			ChainID: layer1, Nonce: 1 << 40, GasTipCap: new(big.Int), GasFeeCap: gwei, Gas: 21_000, To: &inbox, Value: new(big.Int).Mul(gwei, gwei),
		}, types.DynamicFeeTxType},
		"a contract": {&types.DynamicFeeTx{ChainID: layer1, GasTipCap: gwei, GasFeeCap: gwei, Gas: 3_000_000, Data: common.FromHex("0x600160005500")}, types.DynamicFeeTxType},
		"a legacy transaction, which the client sends as a dynamic fee one": {&types.LegacyTx{
			Nonce: 3, GasPrice: gwei, Gas: 21_000, To: &inbox, Value: big.NewInt(1),
		}, types.DynamicFeeTxType},
		"an authorization": {&types.SetCodeTx{
			ChainID: uint256.MustFromBig(layer1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 100_000, To: inbox,
			AuthList: []types.SetCodeAuthorization{authorization(t)},
		}, types.SetCodeTxType},
		"blobs":              {blobs(t, types.BlobSidecarVersion0), types.BlobTxType},
		"blobs, cell proofs": {blobs(t, types.BlobSidecarVersion1), types.BlobTxType},
	} {
		t.Run(name, func(t *testing.T) {
			asked := types.NewTx(tt.data)
			signed, err := client.SignTransaction(t.Context(), layer1, s.account, asked)
			if err != nil {
				t.Fatal(err)
			}
			sender, err := types.Sender(types.LatestSignerForChainID(layer1), signed)
			if err != nil || sender != s.account || signed.Type() != tt.kind {
				t.Errorf("type %d, sender %s, %v, want %s", signed.Type(), sender, err, s.account)
			}
			// What is signed is what was asked: the hash that the client's own signer makes.
			want := types.NewTx(asAsked(asked))
			chain := types.LatestSignerForChainID(layer1)
			if got := chain.Hash(signed); got != chain.Hash(want) {
				t.Errorf("the transaction %s is signed, want %s", got, chain.Hash(want))
			}
			if sidecar := asked.BlobTxSidecar(); sidecar != nil {
				if signed.BlobTxSidecar() == nil || sidecar.ValidateBlobCommitmentHashes(signed.BlobHashes()) != nil {
					t.Error("the sidecar is not that of the transaction")
				}
			}
		})
	}
}

// authorization returns what somebody else allows.
func authorization(t *testing.T) types.SetCodeAuthorization {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.MustFromBig(layer1), Address: inbox})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// asAsked returns a transaction as the client asks for it.
func asAsked(tx *types.Transaction) types.TxData {
	switch tx.Type() {
	case types.SetCodeTxType:
		return &types.SetCodeTx{
			ChainID: uint256.MustFromBig(layer1), Nonce: tx.Nonce(), GasTipCap: uint256.MustFromBig(tx.GasTipCap()), GasFeeCap: uint256.MustFromBig(tx.GasFeeCap()),
			Gas: tx.Gas(), To: *tx.To(), Value: uint256.MustFromBig(tx.Value()), Data: tx.Data(), AuthList: tx.SetCodeAuthorizations(),
		}
	case types.BlobTxType:
		return &types.BlobTx{
			ChainID: uint256.MustFromBig(layer1), Nonce: tx.Nonce(), GasTipCap: uint256.MustFromBig(tx.GasTipCap()), GasFeeCap: uint256.MustFromBig(tx.GasFeeCap()),
			Gas: tx.Gas(), To: *tx.To(), Value: uint256.MustFromBig(tx.Value()), Data: tx.Data(), BlobFeeCap: uint256.MustFromBig(tx.BlobGasFeeCap()), BlobHashes: tx.BlobHashes(),
		}
	}
	return &types.DynamicFeeTx{
		ChainID: layer1, Nonce: tx.Nonce(), GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap(),
		Gas: tx.Gas(), To: tx.To(), Value: tx.Value(), Data: tx.Data(), AccessList: tx.AccessList(),
	}
}

// blobs returns a transaction with two blobs and their sidecar.
func blobs(t *testing.T, version byte) *types.BlobTx {
	t.Helper()
	var sidecar types.BlobTxSidecar
	sidecar.Version = version
	for i := range byte(2) {
		blob := kzg4844.Blob{31: i}
		commitment, err := kzg4844.BlobToCommitment(&blob)
		if err != nil {
			t.Fatal(err)
		}
		var proofs []kzg4844.Proof
		if version == types.BlobSidecarVersion1 {
			proofs, err = kzg4844.ComputeCellProofs(&blob)
		} else {
			proofs = make([]kzg4844.Proof, 1)
			proofs[0], err = kzg4844.ComputeBlobProof(&blob, commitment)
		}
		if err != nil {
			t.Fatal(err)
		}
		sidecar.Blobs, sidecar.Commitments, sidecar.Proofs = append(sidecar.Blobs, blob), append(sidecar.Commitments, commitment), append(sidecar.Proofs, proofs...)
	}
	return &types.BlobTx{
		ChainID: uint256.MustFromBig(layer1), Nonce: 9, GasTipCap: uint256.NewInt(1e9), GasFeeCap: uint256.NewInt(1e11), Gas: 21_000, To: inbox,
		BlobFeeCap: uint256.NewInt(1e10), BlobHashes: sidecar.BlobHashes(), Sidecar: &sidecar,
	}
}

// blocks signs the payloads of blocks in all forms, and has them checked as other
// nodes of the chain check them.
func blocks(t *testing.T, s *signer, folder string) {
	auth := &opsigner.OPStackP2PBlockAuthV1{Allowed: s.account, Chain: layer2}
	payload := []byte("a block")
	hash := opsigner.PayloadHash(payload)
	check := func(t *testing.T, signature eth.Bytes65, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := auth.VerifyP2PBlockSignature(hash, signature); err != nil {
			t.Errorf("a node refuses the block: %v", err)
		}
		if signature[64] > 1 {
			t.Errorf("recovery id %d", signature[64])
		}
	}
	t.Run("op-node", func(t *testing.T) {
		remote, err := opsigner.NewRemoteSigner(quiet(), s.flags(t, folder))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = remote.Close() }()
		signature, err := remote.SignBlockV1(t.Context(), layer2, hash)
		check(t, signature, err)
	})
	client := s.boot(t, folder)
	for name, sender := range map[string]*common.Address{"named": &s.account, "the only one": nil} {
		t.Run("V1, account "+name, func(t *testing.T) {
			signature, err := client.SignBlockPayload(t.Context(), opsigner.NewBlockPayloadArgs(auth.Domain(), layer2.ToBig(), payload, sender))
			check(t, signature, err)
		})
		t.Run("V2, account "+name, func(t *testing.T) {
			signature, err := client.SignBlockPayloadV2(t.Context(), &opsigner.BlockPayloadArgsV2{
				Domain: auth.Domain(), ChainID: layer2, PayloadHash: hash, SenderAddress: sender,
			})
			check(t, signature, err)
		})
	}
}

// refusals are told with op-signer's codes, and with the policy's rule.
func refusals(t *testing.T, s *signer, batcher, sequencer, stranger *opsigner.SignerClient) {
	block := opsigner.NewBlockPayloadArgs(opsigner.SigningDomainBlocksV1, layer2.ToBig(), []byte("a block"), nil)
	blockV2 := &opsigner.BlockPayloadArgsV2{ChainID: layer2, PayloadHash: common.Hash{1}}
	for name, tt := range map[string]struct {
		ask  func(context.Context) error
		code int
		rule string
	}{
		"a recipient that is denied": {func(ctx context.Context) error {
			_, err := batcher.SignTransaction(ctx, layer1, s.account, transfer(common.HexToAddress(denied)))
			return err
		}, -32011, "denied"},
		"a transaction of nobody known": {func(ctx context.Context) error {
			_, err := stranger.SignTransaction(ctx, layer1, s.account, transfer(inbox))
			return err
		}, -32011, ""},
		"a transaction of who signs blocks": {func(ctx context.Context) error {
			_, err := sequencer.SignTransaction(ctx, layer1, s.account, transfer(inbox))
			return err
		}, -32011, ""},
		"a fee cap below the tip": {func(ctx context.Context) error {
			_, err := batcher.SignTransaction(ctx, layer1, s.account, types.NewTx(&types.DynamicFeeTx{ChainID: layer1, GasTipCap: big.NewInt(2), GasFeeCap: big.NewInt(1), Gas: 21_000, To: &inbox}))
			return err
		}, -32010, ""},
		"a contract of nothing": {func(ctx context.Context) error {
			_, err := batcher.SignTransaction(ctx, layer1, s.account, types.NewTx(&types.DynamicFeeTx{ChainID: layer1, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1), Gas: 100_000}))
			return err
		}, -32010, ""},
		"a chain that is not the signer's": {func(ctx context.Context) error {
			_, err := batcher.SignTransaction(ctx, big.NewInt(1), s.account, transfer(inbox))
			return err
		}, -32010, ""},
		"a block of nobody known": {func(ctx context.Context) error {
			_, err := stranger.SignBlockPayload(ctx, block)
			return err
		}, -32013, ""},
		"a block of who signs transactions": {func(ctx context.Context) error {
			_, err := batcher.SignBlockPayloadV2(ctx, blockV2)
			return err
		}, -32013, ""},
		"a block without a hash": {func(ctx context.Context) error {
			_, err := sequencer.SignBlockPayloadV2(ctx, &opsigner.BlockPayloadArgsV2{ChainID: layer2})
			return err
		}, -32012, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.ask(t.Context())
			var coded rpc.Error
			if !errors.As(err, &coded) || coded.ErrorCode() != tt.code {
				t.Fatalf("got %v, want the code %d", err, tt.code)
			}
			var detailed rpc.DataError
			if tt.rule == "" {
				return
			}
			if !errors.As(err, &detailed) {
				t.Fatalf("no data in %v", err)
			}
			if data, _ := detailed.ErrorData().(map[string]any); data["rule"] != tt.rule || data["request"] == nil {
				t.Errorf("data %v, want the rule %s and the request", data, tt.rule)
			}
		})
	}
	if said := s.log.String(); strings.Contains(said, "panic") {
		t.Error("kvclef panicked")
	}
}
