package config

import (
	"errors"
	"fmt"
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
	switch {
	case r.Policy != "" && !IsPolicy(r.Policy):
		return fmt.Errorf("rules.policy: %q is no policy, whose name ends in .yaml or .yml; a rule file of Clef goes with rules.file, --rules", r.Policy)
	case r.Shadow != "" && !IsPolicy(r.Shadow):
		return fmt.Errorf("rules.shadow: %q is no policy, whose name ends in .yaml or .yml", r.Shadow)
	case r.Shadow != "" && r.Policy == "" && r.File == "":
		return errors.New("rules.shadow: it judges beside a policy or a rule file, and there is none: give one by rules.policy, --policy")
	case IsPolicy(r.File):
		return fmt.Errorf("rules.file: %q has the name of a policy, which goes with rules.policy, --policy", r.File)
	case r.AttestKey != "" && !isAddress(r.AttestKey):
		return fmt.Errorf("rules.attest_key: %q is not an address; kvclef rules attest prints the one to pin", r.AttestKey)
	case r.Timeout <= 0 || r.Timeout > MaxRulesTimeout:
		return fmt.Errorf("rules.timeout: %s; it must be above 0s and at most %s", r.Timeout, MaxRulesTimeout)
	}
	return nil
}

func (c *Config) validateAudit() error {
	a := c.Audit
	vault, key, named := strings.Cut(a.CheckpointKey, "/")
	switch {
	case a.MaxBytes < minAuditBytes:
		return fmt.Errorf("audit.max_bytes: %d; it must be at least %d", a.MaxBytes, minAuditBytes)
	case a.Requests != WholeRequests && a.Requests != RequestExcerpts:
		return fmt.Errorf("audit.requests: %q; it must be %s or %s", a.Requests, WholeRequests, RequestExcerpts)
	case a.CheckpointInterval <= 0:
		return fmt.Errorf("audit.checkpoint_interval: %s; it must be above 0s", a.CheckpointInterval)
	case a.CheckpointKey != "" && !isAddress(a.CheckpointKey) && (!named || vault == "" || key == ""):
		return fmt.Errorf("audit.checkpoint_key: %q is neither an address nor VAULT/KEY", a.CheckpointKey)
	}
	return nil
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
