package devnet

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"
)

// maxBlocks is how many blocks WaitMined produces before it gives up. A node
// that is asked for a block at once may answer with an empty one.
const maxBlocks = 50

// beaconRoot stands for the root of a beacon chain that does not exist. Not
// zero, so that an argument left out would be seen.
func beaconRoot() common.Hash { return common.Hash{0xbe, 0xac} }

// payload is what engine_getPayload answers.
type payload struct {
	Block json.RawMessage `json:"executionPayload"`
	Blobs struct {
		Commitments []kzg4844.Commitment `json:"commitments"`
	} `json:"blobsBundle"`
	Requests []hexutil.Bytes `json:"executionRequests"`
}

// status is the verdict of engine_newPayload and engine_forkchoiceUpdated.
type status struct {
	Status string  `json:"status"`
	Error  *string `json:"validationError"`
}

// ProduceBlock makes one block of what is in the pool and makes it the head of
// the chain, by the four calls of a consensus client (execution-apis, engine
// API of Cancun and Osaka). It returns the block's hash.
func (n *Node) ProduceBlock(ctx context.Context) (common.Hash, error) {
	return n.produce(ctx, 0)
}

// produce is ProduceBlock with time to fill the block: a node that is asked at once
// answers with an empty one as long as there is much in its pool.
func (n *Node) produce(ctx context.Context, fill time.Duration) (common.Hash, error) {
	head, err := n.Client().HeaderByNumber(ctx, nil)
	if err != nil {
		return common.Hash{}, fmt.Errorf("reading the head: %w", err)
	}
	id, err := n.requestPayload(ctx, head)
	if err != nil {
		return common.Hash{}, err
	}
	if fill > 0 {
		select {
		case <-time.After(fill):
		case <-ctx.Done():
			return common.Hash{}, ctx.Err()
		}
	}
	var built payload
	if err := n.engine.CallContext(ctx, &built, n.method("engine_getPayloadV3", "engine_getPayloadV5"), id); err != nil {
		return common.Hash{}, fmt.Errorf("getting the payload: %w", err)
	}
	hash, err := n.importPayload(ctx, built)
	if err != nil {
		return common.Hash{}, err
	}
	_, err = n.updateForkchoice(ctx, hash, hash, nil)
	return hash, err
}

// Mine produces a block every so often, until ctx ends. A node that has just been
// started again may refuse for a while; one that goes on to is an error.
func (n *Node) Mine(ctx context.Context, every time.Duration) error {
	again := time.NewTicker(every)
	defer again.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		_, err := n.produce(ctx, every/2)
		switch {
		case err == nil:
			failed = 0
		case ctx.Err() != nil:
			return nil
		default:
			if failed++; failed > maxBlocks {
				return err
			}
		}
	}
}

// WaitMined produces blocks until one holds the transaction, and returns its
// receipt.
func (n *Node) WaitMined(ctx context.Context, transaction common.Hash) (*types.Receipt, error) {
	for range maxBlocks {
		receipt, err := n.Client().TransactionReceipt(ctx, transaction)
		if err == nil {
			return receipt, nil
		}
		// A node that has not produced its first block indexes nothing yet.
		if !errors.Is(err, ethereum.NotFound) && !strings.Contains(err.Error(), "indexing is in progress") {
			return nil, fmt.Errorf("reading the receipt of %s: %w", transaction, err)
		}
		if _, err := n.ProduceBlock(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("transaction %s is not in %d blocks", transaction, maxBlocks)
}

// requestPayload asks the node to build a block on head.
func (n *Node) requestPayload(ctx context.Context, head *types.Header) (json.RawMessage, error) {
	timestamp := max(head.Time+1, uint64(time.Now().Unix()))
	return n.updateForkchoice(ctx, head.Hash(), common.Hash{}, map[string]any{
		"timestamp":             hexutil.Uint64(timestamp),
		"prevRandao":            common.Hash{},
		"suggestedFeeRecipient": common.Address{},
		"withdrawals":           []any{},
		"parentBeaconBlockRoot": beaconRoot(),
	})
}

// updateForkchoice makes a block the head. With attributes it also starts the
// building of the next block, and returns that payload's id.
func (n *Node) updateForkchoice(ctx context.Context, head, final common.Hash, attributes map[string]any) (json.RawMessage, error) {
	var answer struct {
		Status status          `json:"payloadStatus"`
		ID     json.RawMessage `json:"payloadId"` // null without attributes
	}
	state := map[string]common.Hash{"headBlockHash": head, "safeBlockHash": final, "finalizedBlockHash": final}
	if err := n.engine.CallContext(ctx, &answer, "engine_forkchoiceUpdatedV3", state, attributes); err != nil {
		return nil, fmt.Errorf("updating the fork choice: %w", err)
	}
	return answer.ID, answer.Status.check("fork choice")
}

// importPayload gives the node its block back, as a consensus client does.
func (n *Node) importPayload(ctx context.Context, built payload) (common.Hash, error) {
	var block struct {
		Hash common.Hash `json:"blockHash"`
	}
	if err := json.Unmarshal(built.Block, &block); err != nil {
		return common.Hash{}, fmt.Errorf("reading the payload: %w", err)
	}
	hashes := make([]common.Hash, len(built.Blobs.Commitments))
	for i := range hashes {
		hashes[i] = kzg4844.CalcBlobHashV1(sha256.New(), &built.Blobs.Commitments[i])
	}
	args := []any{built.Block, hashes, beaconRoot()}
	if n.fork == Osaka {
		args = append(args, built.Requests)
	}
	var answer status
	if err := n.engine.CallContext(ctx, &answer, n.method("engine_newPayloadV3", "engine_newPayloadV4"), args...); err != nil {
		return common.Hash{}, fmt.Errorf("importing the payload: %w", err)
	}
	return block.Hash, answer.check("payload")
}

// method chooses between the methods of the two forks.
func (n *Node) method(cancun, osaka string) string {
	if n.fork == Cancun {
		return cancun
	}
	return osaka
}

func (s status) check(what string) error {
	if s.Status == "VALID" {
		return nil
	}
	reason := "no reason given"
	if s.Error != nil {
		reason = *s.Error
	}
	return fmt.Errorf("%s is %s: %s", what, s.Status, reason)
}

// bearer authenticates to the engine API: a token of this minute, signed with
// the shared secret (HS256).
func bearer(secret []byte) rpc.HTTPAuth {
	return func(header http.Header) error {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(secret)
		if err != nil {
			return fmt.Errorf("signing the engine API's token: %w", err)
		}
		header.Set("Authorization", "Bearer "+token)
		return nil
	}
}
