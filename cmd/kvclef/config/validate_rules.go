package config

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// minAuditBytes is the least size of a full file of the audit log. Below it
// there would be more files than entries worth looking for.
const minAuditBytes = 16 << 10

// MaxRulesTimeout is the longest time limit of a call of a rule file.
// OnApprovedTx runs while a signature waits to be recorded, for which there are
// 5 seconds in all.
const MaxRulesTimeout = 4 * time.Second

func (c *Config) validateRules() error {
	r := c.Rules
	var p problems
	p.when(r.Policy != "" && !IsPolicy(r.Policy), "rules.policy: %q is no policy, whose name ends in .yaml or .yml; a rule file of Clef goes with rules.file, --rules", r.Policy)
	p.when(r.Shadow != "" && !IsPolicy(r.Shadow), "rules.shadow: %q is no policy, whose name ends in .yaml or .yml", r.Shadow)
	p.when(r.Shadow != "" && r.Policy == "" && r.File == "", "rules.shadow: it judges beside a policy or a rule file, and there is none: give one by rules.policy, --policy")
	p.when(IsPolicy(r.File), "rules.file: %q has the name of a policy, which goes with rules.policy, --policy", r.File)
	p.when(r.AttestKey != "" && !isAddress(r.AttestKey), "rules.attest_key: %q is not an address; kvclef rules attest prints the one to pin", r.AttestKey)
	p.when(r.Timeout <= 0 || r.Timeout > MaxRulesTimeout, "rules.timeout: %s; it must be above 0s and at most %s", r.Timeout, MaxRulesTimeout)
	return errors.Join(p...)
}

func (c *Config) validateAudit() error {
	a := c.Audit
	vault, key, named := strings.Cut(a.CheckpointKey, "/")
	var p problems
	p.when(a.MaxBytes < minAuditBytes, "audit.max_bytes: %d; it must be at least %d", a.MaxBytes, minAuditBytes)
	p.when(a.Requests != WholeRequests && a.Requests != RequestExcerpts, "audit.requests: %q; it must be %s or %s", a.Requests, WholeRequests, RequestExcerpts)
	p.when(a.CheckpointInterval <= 0, "audit.checkpoint_interval: %s; it must be above 0s", a.CheckpointInterval)
	p.when(a.CheckpointKey != "" && !isAddress(a.CheckpointKey) && (!named || vault == "" || key == ""), "audit.checkpoint_key: %q is neither an address nor VAULT/KEY", a.CheckpointKey)
	return errors.Join(p...)
}

// IsPolicy reports whether a file has the name of a policy. A rule file and a
// policy are attested each by itself, so that they must be told apart.
func IsPolicy(path string) bool {
	extension := strings.ToLower(filepath.Ext(path))
	return extension == ".yaml" || extension == ".yml"
}

// isAddress reports whether a text is an address with 0x before it. One with
// capitals must be spelt with its checksum, so that a mistyped one is found.
func isAddress(text string) bool {
	if !common.IsHexAddress(text) || !strings.HasPrefix(text, "0x") {
		return false
	}
	return text == strings.ToLower(text) || text == common.HexToAddress(text).Hex()
}
