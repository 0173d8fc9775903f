package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "look at the configuration, reach the vaults, and say what is set up well and what is not",
		UsageText: "kvclef check (--config FILE | --vault URL) [flags of kvclef serve] [--json]",
		Description: examples(
			"before the first start", "kvclef check --config /etc/kvclef/kvclef.yaml",
			"flags in the place of a file, as they are given to kvclef serve", "kvclef check --chainid 10 --policy policy.yaml --vault https://kv-prod.vault.azure.net",
			"for a script", "kvclef check --config kvclef.yaml --json | jq '.vaults[].warnings[]'",
		) + "\n\nOf a configuration, a file or flags, it looks at everything that kvclef serve would start with, and tells all that is wrong:" +
			"\nvalues, files of TLS and secrets, the data directory, the policy, the rule file and their attestations, the audit log." +
			"\nThen it reaches the vaults. It signs nothing. The exit code is 0 if every vault was reached and its accounts" +
			"\nmay be signed with, whatever the warnings; 1 if not, or if what kvclef serve would start with has no usable key at all;" +
			"\n2 if the configuration, a file, the state or the audit log is wrong.",
		Flags:  slices.Concat(serveFlags(), []cli.Flag{jsonFlag()}),
		Action: action(p.check),
	}
}

// checkResult is what check prints.
type checkResult struct {
	OK bool `json:"ok"`
	seen
	Vaults []vaultCheck `json:"vaults"`
}

// vaultCheck is what is known of a vault. Error is set when it can't be used,
// and the rest is not known then.
type vaultCheck struct {
	Vault    string         `json:"vault"`
	URL      string         `json:"url"`
	Kind     string         `json:"kind,omitempty"`
	Error    string         `json:"error,omitempty"`
	List     string         `json:"may_list,omitempty"`
	Read     string         `json:"may_read,omitempty"`
	Accounts []accountCheck `json:"accounts"`
	Skipped  []skippedCheck `json:"skipped"`
	Warnings []string       `json:"warnings"`

	err error
}

// accountCheck is what is known of an account.
type accountCheck struct {
	Address  string     `json:"address"`
	Key      string     `json:"key"`
	Version  string     `json:"version"`
	Sign     string     `json:"may_sign"`
	Curve    string     `json:"curve"`
	Hardware bool       `json:"hardware"`
	Rotation bool       `json:"rotation_policy"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
}

// skippedCheck is a key that is no account.
type skippedCheck struct {
	Key     string `json:"key"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason"`
}

// check tries all vaults, also after one has failed, so that everything that is
// wrong shows at once.
func (p *program) check(c *cli.Context) error {
	_, unknown := arguments(c)
	cfg, wrong := toolSettings(c)
	if wrong = errors.Join(unknown, wrong); cfg == nil {
		return wrong
	}
	var found seen
	if whole(c) { // or there is no more to it than vaults
		options, err := serveOptions(cfg, false)
		wrong = examine(c.Context, examination{cfg: cfg, options: options, alone: true, seen: &found}, errors.Join(wrong, err))
		if wrong == nil {
			wrong = found.places(cfg, options.path)
		}
	}
	if wrong != nil {
		return wrong
	}
	if whole(c) && len(cfg.ChainIDs) == 0 && !cfg.Proxy.Enabled() { // which takes the node's
		p.sayf("kvclef: warning: no chain id: kvclef serve does not start without --chainid, or chainids in the configuration")
	}
	log := newLogger(p.stderr, cfg.Log)
	warnOfOpenSecrets(c.Context, cfg.Vaults, log)
	checks := make([]vaultCheck, len(cfg.Vaults))
	vaults := make(vaultSet, len(cfg.Vaults))
	defer vaults.close()
	var group sync.WaitGroup
	for i, vault := range cfg.Vaults {
		group.Go(func() {
			checks[i] = vaultCheck{Vault: vault.Name, URL: vault.URL}
			opened, err := openConfigs(c.Context, []keyvault.Config{vaultConfig(vault, log)}, log)
			if err != nil {
				err = withCause(err)
				checks[i].err, checks[i].Error = err, err.Error()
				return // the others are worth a look
			}
			vaults[i] = opened[0]
			report := opened[0].Check(c.Context)
			checks[i].take(report)
			checks[i].err = mayNotSign(report)
		})
	}
	group.Wait()
	if whole(c) {
		if err := p.sayIdle(cfg, vaults); err != nil {
			return err
		}
	}
	failure := errors.Join(failureOf(checks), checkpointFailure(c.Context, cfg, vaults))
	if failure == nil && whole(c) {
		failure = nothingSigns(cfg, vaults)
	}
	if c.Bool("json") {
		return errors.Join(failure, p.printJSON(checkResult{failure == nil, found, checks}))
	}
	return errors.Join(failure, p.printChecks(&found, checks))
}

// sayIdle warns of what a signer would start with and could not use. Accounts of a vault that
// can't be reached are not known.
func (p *program) sayIdle(cfg *config.Config, vaults vaultSet) error {
	r := &cfg.Rules
	if r.Policy == "" && r.File == "" && len(cfg.Approvals.Default.Of) == 0 {
		p.sayf("kvclef: warning: no policy and no rule file: kvclef serve lists accounts, and refuses every signing request; give --policy, or rules.policy in the configuration")
	}
	if r.Policy == "" || slices.Contains(vaults, nil) {
		return nil
	}
	path, err := expandHome(r.Policy, "policy")
	if err != nil {
		return err
	}
	file, err := readRules(rules.PolicyFile, path)
	if err != nil {
		return err
	}
	loaded, err := loadPolicy(file)
	if err != nil {
		return err
	}
	for _, warning := range idle(cfg, loaded, keyringSigner{vaults.keyring()}.Accounts()) {
		p.sayf("kvclef: warning: %s", warning)
	}
	return nil
}

// whole reports whether more is given than vaults and how to log.
func whole(c *cli.Context) bool {
	return slices.ContainsFunc(serveFlags(), func(flag cli.Flag) bool {
		name := flag.Names()[0]
		return c.IsSet(name) && !slices.Contains([]string{"vault", "credential", "loglevel", "log.format"}, name)
	})
}

// take copies a vault's report.
func (v *vaultCheck) take(r keyvault.Report) {
	v.URL, v.Kind, v.List, v.Read, v.Warnings = r.URL, "Key Vault", r.List.String(), r.Get.String(), r.Warnings
	if r.ManagedHSM {
		v.Kind = "Managed HSM"
	}
	for _, a := range r.Accounts {
		account := accountCheck{
			Address: a.Account.Address.Hex(), Key: a.Account.Key, Version: a.Account.Version, Sign: a.Sign.String(),
			Curve: a.Curve, Hardware: a.Hardware, Rotation: a.Rotation, Created: a.Created,
		}
		if !a.Expires.IsZero() {
			account.Expires = &a.Expires
		}
		v.Accounts = append(v.Accounts, account)
	}
	for _, s := range r.Skipped {
		v.Skipped = append(v.Skipped, skippedCheck{s.Key, s.Version, s.Reason})
	}
}

// mayNotSign returns an error if the credential lacks the right to sign with a
// key: a signer that is started so refuses what its rules approve.
func mayNotSign(r keyvault.Report) error {
	var denied []string
	for _, a := range r.Accounts {
		if a.Sign == keyvault.RightDenied {
			denied = append(denied, a.Account.Key)
		}
	}
	if len(denied) == 0 {
		return nil
	}
	return fmt.Errorf("vault %s: the credential may not sign with %s (%d of %d accounts): give it the right keys/sign",
		r.Vault, denied[0], len(denied), len(r.Accounts))
}

// nothingSigns returns an error if no vault has a key to sign with: a signer that is started so
// is not ready. One whose callers make keys, or whose hosted services bring some, begins without.
func nothingSigns(cfg *config.Config, vaults vaultSet) error {
	if len(vaults) == 0 || len(vaults.accounts()) > 0 || cfg.AccountNew.Vault != "" || cfg.Proxy.HostingKeyFile != "" {
		return nil
	}
	return fmt.Errorf("no usable key in %s, so that nothing can be signed: make one with kvclef keys create, or enable the one that is skipped", vaults)
}

// withCause adds to a failure to reach a vault what the network, or the check of a certificate,
// says: the message tells callers what to do, and who checks wants to know why. Such a cause
// names hosts and ports, and never holds a secret.
func withCause(err error) error {
	var network *net.OpError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("%w (%s)", err, printable(network.Error()))
	case errors.As(err, &name):
		return fmt.Errorf("%w (%s)", err, printable(name.Error()))
	case errors.As(err, &certificate):
		return fmt.Errorf("%w (%s)", err, printable(certificate.Error()))
	default:
		return err
	}
}

// checkpointFailure returns an error if none of the vaults holds the key that is to sign the
// audit log's head. It is not known where one of them can't be used.
func checkpointFailure(ctx context.Context, cfg *config.Config, vaults vaultSet) error {
	if cfg.Audit.CheckpointKey == "" || slices.Contains(vaults, nil) {
		return nil
	}
	_, err := checkpointAccount(ctx, vaults.keyring(), cfg.Audit.CheckpointKey)
	return err
}

// failureOf returns an error that names the vaults that can't be used, of the
// kind of the first.
func failureOf(checks []vaultCheck) error {
	var names []string
	var first error
	for _, check := range checks {
		if check.err == nil {
			continue
		}
		names = append(names, check.Vault)
		if first == nil {
			first = check.err
		}
	}
	if len(names) < 2 {
		return first
	}
	return errors.Join(first, errors.New("also not usable: "+strings.Join(names[1:], ", ")))
}
