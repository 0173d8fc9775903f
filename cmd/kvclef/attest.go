package main

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

func attestFlags() []cli.Flag {
	return slices.Concat(generalFlags(), dataFlags("~/.kvclef"), vaultFlags(), []cli.Flag{
		&cli.StringFlag{Name: "attest-key", Usage: "sign with this `KEY` of a vault: its address, or VAULT/KEY", DefaultText: "the one that rules.attest_key pins, else none"},
		jsonFlag(),
	})
}

// suppressFlag is what a Clef user's scripts give to every command.
func suppressFlag() cli.Flag {
	return boolFlag(categoryGeneral, "suppress-bootwarn", "no effect; nothing is asked")
}

const attestHelp = "\n\nserve refuses to start with a policy or a rule file that is not attested, or that has changed since." +
	"\nA file that ends in .yaml or .yml is a policy." +
	"\nWith --attest-key the attestation is signed by a key of a vault. Pin the address of that key by" +
	"\nrules.attest_key in the configuration, and who can write to the data directory alone can't" +
	"\nchange the rules. A signer that is running uses a policy after kvclef policy reload, and keeps its" +
	"\nrule file until it is started again."

func (p *program) rulesAttestCommand() *cli.Command {
	return &cli.Command{
		Name:      "attest",
		Usage:     "allow a policy or a rule file, as it is now, to be used",
		UsageText: "kvclef rules attest FILE [--datadir DIR] [--attest-key KEY --vault VAULT] [--json]",
		Description: examples(
			"after every change of the file", "kvclef rules attest policy.yaml",
			"a rule file of Clef", "kvclef rules attest rules.js",
			"signed by a vault key", "kvclef rules attest policy.yaml --vault https://kv-prod.vault.azure.net --attest-key 0x71562b71999873DB5b286dF957af199Ec94617F7",
		) + attestHelp,
		Flags: attestFlags(),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			cfg, err := settings(c)
			if err != nil {
				return err
			}
			attestation, err := attestationOf(c.Context, args[0], cfg)
			if err != nil {
				return err
			}
			return p.attest(c, cfg, attestation)
		}),
	}
}

func (p *program) attestCommand() *cli.Command {
	return &cli.Command{
		Name:      "attest",
		Usage:     "allow the rule file with a SHA-256 to be used, as Clef's command",
		UsageText: "kvclef attest SHA256 [--datadir DIR] [--attest-key KEY --vault VAULT] [--json]",
		Description: examples(
			"as with Clef", `kvclef attest $(sha256sum rules.js | cut -d" " -f1)`,
			"better, since a broken file is found", "kvclef rules attest rules.js",
		) + attestHelp,
		Flags: append(attestFlags(), suppressFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "SHA256")
			if err != nil {
				return err
			}
			hash, err := parseSHA256(args[0])
			if err != nil {
				return err
			}
			cfg, err := settings(c)
			if err != nil {
				return err
			}
			return p.attest(c, cfg, rules.Attestation{SHA256: hash, Time: attestTime()})
		}),
	}
}

// attestationOf returns the attestation of a policy or a rule file, which must
// load.
func attestationOf(ctx context.Context, path string, cfg *config.Config) (rules.Attestation, error) {
	kind := rules.RuleFile
	if config.IsPolicy(path) {
		kind = rules.PolicyFile
	}
	file, err := readRules(kind, path)
	if err != nil {
		return rules.Attestation{}, err
	}
	if err := file.loads(ctx, cfg); err != nil {
		return rules.Attestation{}, err
	}
	name, err := filepath.Abs(path)
	if err != nil {
		name = path
	}
	return rules.Attestation{Kind: kind, SHA256: file.sha256, File: name, Time: attestTime()}, nil
}

// loads returns an error unless a signer could use the file.
func (f rulesFile) loads(ctx context.Context, cfg *config.Config) error {
	if f.kind == rules.PolicyFile {
		_, err := loadPolicy(f)
		return err
	}
	if err := (rulestest.Ruleset{Name: f.name(), Source: f.source, Timeout: cfg.Rules.Timeout}).Load(ctx); err != nil {
		if ext := filepath.Ext(f.path); ext != ".js" {
			return usagef("%w; it is read as a rule file, since the name of a policy ends in .yaml or .yml", err)
		}
		return &usageError{err}
	}
	return nil
}

func attestTime() time.Time { return time.Now().UTC().Truncate(time.Second) }

// parseSHA256 reads a hash as sha256sum prints it. Clef takes any text, and
// turns the rules off when the signer starts.
func parseSHA256(text string) (common.Hash, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	raw, err := hex.DecodeString(digits)
	if err == nil && len(raw) == common.HashLength {
		return common.BytesToHash(raw), nil
	}
	if _, err := os.Stat(text); err == nil {
		return common.Hash{}, usagef("attest: %s is a file, and attest takes its SHA-256: use kvclef rules attest %s", text, shellQuote(text))
	}
	return common.Hash{}, usagef("attest: %q is no SHA-256, which has 64 hexadecimal digits, not %d characters", text, len(digits))
}
