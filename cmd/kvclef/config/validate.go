package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules/suggest"
)

// CredentialKinds returns the kinds of credential, the default first.
func CredentialKinds() []string {
	return []string{"environment", "client-secret", "client-certificate", "workload-identity", "managed-identity", "azure-cli", "default"}
}

// problems are values that can't be meant.
type problems []error

// when adds one if it is there.
func (p *problems) when(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// Validate completes the configuration and reports every value that can't be meant. What only a vault's client can judge is left to it.
func (c *Config) Validate() error {
	return errors.Join(c.validateChains(), c.validateVaults(), c.validateRules(), c.validateAudit(), c.validateStore(), c.Listeners.HTTP.TLS.validate("listeners.http.tls"), c.Proxy.TLS.validate("proxy.tls"), c.validateIdentity(), c.validateProxy(), c.Approvals.Validate(), c.validateLog(), c.validateLimits(), c.validateCallers(), c.validateObserve(), c.ValidatePorts())
}

func (c *Config) validateChains() error {
	var p problems
	for i, id := range c.ChainIDs {
		p.when(id == 0, "chainids: 0 is no chain id; it starts at 1")
		p.when(id != 0 && slices.Contains(c.ChainIDs[:i], id), "chainids: %d is given twice", id)
	}
	return errors.Join(p...)
}

func (c *Config) validateVaults() error {
	var p problems
	names := make([]string, 0, len(c.Vaults))
	for i := range c.Vaults {
		vault, key := &c.Vaults[i], fmt.Sprintf("vaults[%d]", i)
		vault.complete()
		p = append(p, vault.Validate(key))
		if vault.Name == "" { // without a URL
			continue
		}
		p.when(slices.Contains(names, vault.Name), "%s.name: %q is given twice; name one of them otherwise", key, vault.Name)
		names = append(names, vault.Name)
	}
	for i := range c.Unchosen {
		c.Unchosen[i].complete()
	}
	name := c.AccountNew.Vault
	p.when(name != "" && !slices.Contains(names, name), "account_new.vault: no vault is called %q%s", name, suggest.DidYouMean("", name, names))
	return errors.Join(p...)
}

// complete puts in what an entry may leave out.
func (v *Vault) complete() {
	v.Name = v.Label()
	if v.Credential.Kind == "" {
		v.Credential.Kind = "environment"
	}
}

// Validate reports every value of a complete entry that can't be meant. The key is that
// of the entry, such as vaults[0].
func (v *Vault) Validate(key string) error {
	var p problems
	kind := v.Credential.Kind
	p.when(v.URL == "", "%s.url is missing: give the vault's address, such as https://kv-prod.vault.azure.net", key)
	p.when(!slices.Contains(CredentialKinds(), kind), "%s.credential.kind: %q is not one of %s%s", key, kind,
		strings.Join(CredentialKinds(), ", "), suggest.DidYouMean("", kind, CredentialKinds()))
	p.when(v.MaxInFlight < 0 || v.MaxWaiting < 0 || v.TryTimeout < 0 || v.Timeout < 0, "%s: max_in_flight, max_waiting, try_timeout and timeout must be above 0", key)
	p.when(math.IsNaN(v.RequestsPerSecond) || math.IsInf(v.RequestsPerSecond, 0), "%s.requests_per_second: %v is not a number of requests; it must be above 0, or negative for no bound", key, v.RequestsPerSecond)
	return errors.Join(p...)
}

// IsURL reports whether a text names a vault by its address, not by its name.
func IsURL(text string) bool { return strings.Contains(text, "://") }

// Label returns the vault's name or, without one, the first label of the host
// in its URL, which it does not judge.
func (v *Vault) Label() string {
	if v.Name != "" {
		return v.Name
	}
	_, host, _ := strings.Cut(v.URL, "://")
	host, _, _ = strings.Cut(host, "/")
	name, _, _ := strings.Cut(host, ".")
	return strings.ToLower(name)
}

// Host returns the host of the vault's URL in one form, however it is written, by which
// two entries are seen to be one vault. It does not judge what has no host.
func (v *Vault) Host() string {
	host, err := keyvault.Host(v.URL)
	if err != nil {
		return v.URL
	}
	return host
}

func (t TLS) validate(key string) error {
	if (t == TLS{}) {
		return nil
	}
	var p problems
	p.when(t.CertFile == "" || t.KeyFile == "", "%s: cert_file and key_file go together, and the other keys go with them: give both", key)
	p.when(t.CallerName != "" && !slices.Contains(extapi.CallerNames(), t.CallerName), "%s.caller_name: %q is none of %s", key, t.CallerName, strings.Join(extapi.CallerNames(), ", "))
	p.when(t.CallerName != "" && t.ClientCAFile == "", "%s.caller_name: it is a part of the callers' certificates: give client_ca_file as well", key)
	p.when(!slices.Contains([]string{"", "1.2", "1.3"}, t.MinVersion), "%s.min_version: %q is neither 1.2 nor 1.3", key, t.MinVersion)
	return errors.Join(p...)
}

func (c *Config) validateLog() error {
	var p problems
	p.when(!slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format: %q is neither text nor json", c.Log.Format)
	levels := []string{"error", "warn", "info", "debug", "0", "1", "2", "3", "4", "5"}
	p.when(!slices.Contains(levels, strings.ToLower(c.Log.Level)), "log.level: %q is none of error, warn, info, debug, nor a number from 0 to 5", c.Log.Level)
	return errors.Join(p...)
}

// maxRepeat bounds how long signatures are kept in memory.
const maxRepeat = 24 * time.Hour

func (c *Config) validateLimits() error {
	var p problems
	l := c.Limits
	p.when(l.BodyBytes <= 0 || l.Batch <= 0 || l.ResponseBytes <= 0, "limits: body_bytes, batch and response_bytes must be above 0")
	p.when(l.RequestTimeout <= 0 || l.SignTimeout <= 0 || l.ShutdownTimeout <= 0, "limits: request_timeout, sign_timeout and shutdown_timeout must be above 0s")
	p.when(l.Repeat < 0 || l.Repeat > maxRepeat, "limits.repeat: %s is not from 0s, for never, to %s", l.Repeat, maxRepeat)
	p.when(c.RefreshInterval < 0, "refresh_interval can't be negative; 0s is never")
	return errors.Join(p...)
}
