package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules/suggest"
)

// settings returns the configuration of a command: the flags, else the
// KVCLEF_* variables, else the file, else the defaults. Flags and variables
// come in one step because the flag parser puts the flag first. With an
// error comes what could be read of it, nil for nothing.
func settings(c *cli.Context) (*config.Config, error) {
	cfg, wrong := config.Default(), error(nil)
	if file := c.String("config"); file != "" {
		if cfg, wrong = config.Load(file); cfg == nil {
			return nil, &usageError{wrong}
		}
	}
	cfg.Place = place(c)
	wrong = errors.Join(wrong, unknownVariables(c, cfg), override(c, cfg))
	cfg.ResolveCredentials(os.Getenv("CREDENTIALS_DIRECTORY"))
	if wrong = errors.Join(wrong, cfg.Validate()); wrong != nil {
		return cfg, &usageError{wrong}
	}
	return cfg, nil
}

// place returns the flags by which another command finds the state of this one. A
// configuration file says more of it than the folder: it may be in a database.
func place(c *cli.Context) (flags string) {
	for _, name := range []string{"config", "datadir"} {
		if value := c.String(name); c.IsSet(name) && value != "" {
			flags += " --" + name + " " + shellQuote(value)
		}
	}
	return flags
}

// dropEmptyVariables unsets the KVCLEF_* variables that are empty. A unit or a
// compose file often can't leave a variable out; the flag parser would take an
// empty one for a value.
func dropEmptyVariables() error {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, variablePrefix) || value != "" {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("unsetting the empty variable %s: %w", name, err)
		}
	}
	return nil
}

// override puts what the flags and variables say into the configuration, all that can
// be meant.
func override(c *cli.Context, cfg *config.Config) error {
	l := &cfg.Listeners
	set(c, "loglevel", c.String, &cfg.Log.Level)
	set(c, "log.format", c.String, &cfg.Log.Format)
	set(c, "configdir", c.String, &cfg.ConfigDir)
	set(c, "advanced", c.Bool, &cfg.Advanced)
	set(c, "4bytedb-custom", c.String, &cfg.FourByteFile)
	set(c, "refresh", c.Duration, &cfg.RefreshInterval)
	set(c, "repeat", c.Duration, &cfg.Limits.Repeat)
	set(c, "datadir", c.String, &cfg.DataDir)
	set(c, "policy", c.String, &cfg.Rules.Policy)
	set(c, "shadow", c.String, &cfg.Rules.Shadow)
	set(c, "rules", c.String, &cfg.Rules.File)
	set(c, "rules.attest-key", c.String, &cfg.Rules.AttestKey)
	set(c, "rules.timeout", c.Duration, &cfg.Rules.Timeout)
	set(c, "auditlog", c.String, &cfg.Audit.File)
	set(c, "audit.max-bytes", c.Int64, &cfg.Audit.MaxBytes)
	set(c, "audit.requests", c.String, &cfg.Audit.Requests)
	set(c, "audit.checkpoint-key", c.String, &cfg.Audit.CheckpointKey)
	set(c, "audit.checkpoint-interval", c.Duration, &cfg.Audit.CheckpointInterval)
	set(c, "approvals.socket", c.String, &cfg.Approvals.Socket)
	set(c, "ipcpath", c.String, &l.IPC.Path)
	set(c, "ipcdisable", c.Bool, &l.IPC.Disabled)
	set(c, "http", c.Bool, &l.HTTP.Enabled)
	set(c, "http.addr", c.String, &l.HTTP.Addr)
	set(c, "http.vhosts", c.StringSlice, &l.HTTP.VirtualHosts)
	set(c, "http.origins", c.StringSlice, &l.HTTP.Origins)
	set(c, "http.tls.cert", c.String, &l.HTTP.TLS.CertFile)
	set(c, "http.tls.key", c.String, &l.HTTP.TLS.KeyFile)
	set(c, "http.tls.clientca", c.String, &l.HTTP.TLS.ClientCAFile)
	set(c, "http.jwtsecret", c.String, &l.HTTP.JWT.SecretFile)
	var wrong []error
	for _, name := range []string{
		"policy", "rules", "auditlog", "datadir", "approvals.socket", "http.tls.cert", "http.tls.key", "http.tls.clientca",
		"proxy.tls.cert", "proxy.tls.key", "proxy.tls.clientca", "http.jwtsecret", "proxy.jwtsecret",
	} {
		if c.IsSet(name) && c.String(name) == "" {
			wrong = append(wrong, usagef("--%s: an empty path; %s", name, emptyPath(name)))
		}
	}
	// As from a variable that is not set, in a unit that means to pin a key.
	for _, name := range []string{"rules.attest-key", "audit.checkpoint-key"} {
		if c.IsSet(name) && c.String(name) == "" {
			wrong = append(wrong, usagef("--%s: no key; remove the flag to do without, or give one", name))
		}
	}
	wrong = append(wrong, setPort(c, "http.port", &l.HTTP.Port), overrideProxy(c, &cfg.Proxy), overrideObserve(c, cfg))
	if c.IsSet("chainid") {
		ids, err := chainIDs(c.StringSlice("chainid"))
		cfg.ChainIDs, wrong = ids, append(wrong, err)
	}
	return errors.Join(append(wrong, overrideVaults(c, cfg))...)
}

// overrideProxy puts what the flags say of the node into the configuration. A node
// that is named one way takes the place of one that the file names another way.
func overrideProxy(c *cli.Context, proxy *config.Proxy) error {
	if c.IsSet("node") || c.IsSet("node.file") {
		proxy.Node, proxy.NodeFile, proxy.NodeWS = "", "", ""
	}
	set(c, "node", c.String, &proxy.Node)
	set(c, "node.file", c.String, &proxy.NodeFile)
	set(c, "node.ws", c.String, &proxy.NodeWS)
	set(c, "node.headers-file", c.String, &proxy.NodeHeadersFile)
	set(c, "proxy.addr", c.String, &proxy.Addr)
	set(c, "proxy.vhosts", c.StringSlice, &proxy.VirtualHosts)
	set(c, "proxy.origins", c.StringSlice, &proxy.Origins)
	set(c, "proxy.tls.cert", c.String, &proxy.TLS.CertFile)
	set(c, "proxy.tls.key", c.String, &proxy.TLS.KeyFile)
	set(c, "proxy.tls.clientca", c.String, &proxy.TLS.ClientCAFile)
	set(c, "proxy.jwtsecret", c.String, &proxy.JWT.SecretFile)
	set(c, "proxy.allow", c.StringSlice, &proxy.Allow)
	set(c, "proxy.deny", c.StringSlice, &proxy.Deny)
	set(c, "proxy.other-accounts", c.String, &proxy.OtherAccounts)
	set(c, "proxy.hosting-key", c.String, &proxy.HostingKeyFile)
	return setPort(c, "proxy.port", &proxy.Port)
}

// setPort copies the port that a flag gives.
func setPort(c *cli.Context, name string, to *uint16) error {
	if !c.IsSet(name) {
		return nil
	}
	port := c.Int(name)
	if port < 0 || port > 65535 {
		return usagef("--%s: %d is not a port from 0 to 65535", name, port)
	}
	*to = uint16(port)
	return nil
}

// emptyPath says what an operator who turns something off by an empty path
// should know.
func emptyPath(flag string) string {
	switch flag {
	case "auditlog":
		return "Clef turns its audit log off so; here nothing is signed without a record: remove the flag, or name a file"
	case "policy":
		return "remove the flag to do without a policy, or name one"
	case "rules":
		return "remove the flag to do without a rule file, or name one"
	case "http.tls.cert", "http.tls.key", "proxy.tls.cert", "proxy.tls.key":
		return "remove the flag for HTTP in clear, or name a file"
	case "http.jwtsecret", "proxy.jwtsecret":
		return "remove the flag if callers need no token, or name a file"
	case "http.tls.clientca", "proxy.tls.clientca":
		return "remove the flag if callers are to be anonymous, or name a file"
	default:
		return "remove the flag for the default, or name a folder"
	}
}

// set copies a flag's value when the flag or its variable is given.
func set[T any](c *cli.Context, name string, value func(string) T, to *T) {
	if c.IsSet(name) {
		*to = value(name)
	}
}

func chainIDs(texts []string) ([]uint64, error) {
	var ids []uint64
	for _, text := range texts {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id == 0 {
			return nil, usagef("--chainid: %q is not a chain id; give decimal numbers from 1, such as 1 or 1,10", text)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// overrideVaults puts the vaults of --vault in the place of the file's. A value
// without a scheme is the name of a vault of the file, and chooses it.
func overrideVaults(c *cli.Context, cfg *config.Config) error {
	if !c.IsSet("vault") {
		if c.IsSet("credential") && len(cfg.Vaults) > 0 {
			return usagef("--credential goes with --vault URL; vaults of the configuration have credentials of their own")
		}
		return nil
	}
	byName := make(map[string]config.Vault)
	var names []string
	for _, vault := range cfg.Vaults {
		byName[vault.Label()] = vault
		names = append(names, vault.Label())
	}
	var vaults []config.Vault
	for _, value := range c.StringSlice("vault") {
		vault, found := byName[value]
		switch {
		case found:
		case config.IsURL(value):
			if err := inFileAlone(c.String("credential")); err != nil {
				return err
			}
			vault = config.Vault{URL: value, Credential: config.Credential{Kind: c.String("credential")}}
		default:
			return usagef("--vault: %q is neither a URL such as https://kv-prod.vault.azure.net nor a vault of the configuration%s",
				value, suggest.DidYouMean("", value, names))
		}
		vaults = append(vaults, vault)
	}
	cfg.Vaults, cfg.Unchosen = vaults, slices.DeleteFunc(cfg.Vaults, func(v config.Vault) bool {
		return slices.ContainsFunc(vaults, func(chosen config.Vault) bool {
			return chosen.Label() == v.Label() || len(chosen.Keys) == 0 && chosen.Host() == v.Host()
		})
	})
	return nil
}

// inFileAlone refuses credentials that need more than a flag can say.
func inFileAlone(kind string) error {
	switch kind {
	case "client-secret", "client-certificate":
		return usagef("--credential %s: its tenant, client and file stand in a configuration: give --config FILE, or --credential environment with the AZURE_* variables", kind)
	}
	return nil
}
