package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Fork is the set of protocol rules that a chain starts with.
type Fork uint8

// The forks.
const (
	Osaka  Fork = iota // blobs carry cell proofs, set-code transactions exist
	Cancun             // blobs carry one proof each
)

// Fund returns what a funded account owns at genesis: 1,000,000 ether, in wei.
func Fund() *big.Int {
	return new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(1e18))
}

// cancunGenesis is the smallest genesis that geth runs: no predeployed
// contracts, everything up to Cancun active.
const cancunGenesis = `{
	"config": {
		"chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
		"byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0,
		"berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
		"blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}}
	},
	"gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {}
}`

// initialise writes the genesis block into the data directory.
func initialise(ctx context.Context, cfg Config) error {
	text, err := genesis(ctx, cfg)
	if err != nil {
		return fmt.Errorf("making the genesis block: %w", err)
	}
	file := filepath.Join(cfg.Dir, "genesis.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing the genesis block: %w", err)
	}
	if _, err := output(ctx, cfg.Geth, "init", "--state.scheme", "hash", "--datadir", dataDir(cfg.Dir), file); err != nil {
		return fmt.Errorf("initialising the chain: %w", err)
	}
	return nil
}

// genesis returns the fork's genesis with the funded accounts in it.
func genesis(ctx context.Context, cfg Config) ([]byte, error) {
	text := []byte(cancunGenesis)
	if cfg.Fork == Osaka {
		// The contracts that Prague asks for come from geth's own developer chain.
		var err error
		if text, err = output(ctx, cfg.Geth, "--dev", "dumpgenesis"); err != nil {
			return nil, err
		}
	}
	var parsed map[string]json.RawMessage
	var config, alloc map[string]any
	err := errors.Join(json.Unmarshal(text, &parsed),
		json.Unmarshal(parsed["config"], &config), json.Unmarshal(parsed["alloc"], &alloc))
	if err != nil {
		return nil, err
	}
	// The fork after Osaka, which geth's developer chain has already, asks for
	// another engine API.
	delete(config, "bogotaTime")
	for _, address := range cfg.Funded {
		alloc[address.Hex()] = map[string]string{"balance": hexutil.EncodeBig(Fund())}
	}
	return merge(parsed, config, alloc)
}

// merge puts config and alloc into the genesis. Its other members stay as they
// were written.
func merge(parsed map[string]json.RawMessage, config, alloc map[string]any) ([]byte, error) {
	var err1, err2 error
	parsed["config"], err1 = json.Marshal(config)
	parsed["alloc"], err2 = json.Marshal(alloc)
	text, err3 := json.Marshal(parsed)
	return text, errors.Join(err1, err2, err3)
}

// output runs a program and returns what it wrote to its standard output. The
// error holds what it complained of.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	text, err := exec.CommandContext(ctx, program, args...).Output() //nolint:gosec // the caller's own program
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("running %s: %w: %s", filepath.Base(program), err, exit.Stderr)
	}
	return text, err
}
