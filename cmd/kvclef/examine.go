package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/cmd/kvclef/tracing"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy"
	"github.com/kvclef/kvclef/rules/suggest"
)

// examination looks for everything that would keep a signer from starting, so that an
// operator sees it at once. It reads files and the state, changes nothing, and asks no vault.
type examination struct {
	cfg          *config.Config
	options      durableOptions
	loopbackOnly bool
	alone        bool // no signer is started next
	log          *slog.Logger
	problems     []error
	failures     []error // no mistakes of the configuration

	attested []rulesFile // that must be, where they were read
	seen     *seen       // what was found sound; nil: nobody asks
}

// examine joins what is wrong already with all else that is. Where a signer is started
// next nothing else is looked at twice: what is sound here is opened with the same checks.
func examine(ctx context.Context, e examination, already error) error {
	e.log = slog.New(slog.DiscardHandler) // what is good is logged when it is opened
	e.add(already)
	e.listeners()
	e.front()
	e.metrics()
	e.console()
	e.webhooks()
	e.tracing()
	e.vaults()
	if e.cfg.FourByteFile != "" {
		_, err := extapi.NewValidator(e.cfg.FourByteFile)
		e.add(err)
	}
	known := e.data(ctx)
	e.auditLog(known)
	e.sockets(known)
	e.writing(known)
	e.rules()
	e.checkpointKey()
	e.state(ctx, known)
	if len(e.problems) > 0 {
		return &usageError{errors.Join(slices.Concat(e.problems, e.failures)...)}
	}
	return errors.Join(e.failures...)
}

// add keeps what is wrong, each by itself. That files of TLS are missing the
// configuration has told by their keys.
func (e *examination) add(err error) {
	if err == nil {
		return
	}
	for _, one := range several(err) {
		if !errors.Is(one, extapi.ErrNoTLSFiles) {
			e.problems = append(e.problems, one)
		}
	}
}

// addOf keeps what is wrong with something, each with its name.
func (e *examination) addOf(name string, err error) {
	if err == nil {
		return
	}
	for _, one := range several(err) {
		e.add(fmt.Errorf("%s: %w", name, one))
	}
}

// listeners looks at what the signer listens on.
func (e *examination) listeners() {
	s := &signing{cfg: e.cfg, loopbackOnly: e.loopbackOnly, log: e.log}
	listen, err := s.serverConfig()
	e.add(err)
	if listen.HTTPAddr != "" {
		tokens, err := openTokens(&e.cfg.Listeners.HTTP.JWT, "listeners.http.jwt", e.log)
		e.add(err)
		if tokens != nil {
			tokens.Close()
		}
		if e.cfg.Listeners.HTTP.JWT.Enabled() {
			listen.Tokens = tokens // for the look at the address: callers need one
		}
	}
	if listen.IPCPath != "" || listen.HTTPAddr != "" {
		e.add(listen.Check())
	}
}

// vaults looks at how vaults are asked, which they are not.
func (e *examination) vaults() {
	for i := range e.cfg.Vaults {
		vault := e.cfg.Vaults[i]
		if vault.URL == "" { // the configuration has told it
			vault.URL = "https://unnamed.vault.azure.net"
		}
		if vault.Validate("") == nil { // or that
			e.add(vaultConfig(vault, e.log).Check())
		}
	}
}

// front looks at what stands in front of a node.
func (e *examination) front() {
	cfg := &e.cfg.Proxy
	if !cfg.Enabled() {
		return
	}
	addr := hostPort(cfg.Addr, cfg.Port)
	if !e.loopbackOnly {
		e.add(extapi.CheckReach("proxy", addr, cfg.TLS.CertFile != "", cfg.TLS.ClientCAFile != "" || cfg.JWT.Enabled()))
	}
	_, stop, err := frontCallers(cfg, e.log)
	e.add(err)
	if stop != nil {
		stop()
	}
	endpoint, err := cfg.Endpoint()
	e.add(err)
	headers, errHeaders := cfg.NodeHeaders()
	e.add(errHeaders)
	if err != nil {
		endpoint = "http://localhost" // for the look at what may pass
	}
	_, err = proxy.New(proxy.Config{Node: endpoint, NodeHeaders: headers, Allow: cfg.Allow, Deny: cfg.Deny})
	e.addOf("proxy", err) // its listener was looked at above, and the node's addresses by the configuration
	if cfg.HostingKeyFile != "" {
		_, err := hosting.LoadSeal(hostingKey, cfg.HostingKeyFile)
		e.add(err)
	}
}

// metrics looks at what those read who watch.
func (e *examination) metrics() {
	cfg := &e.cfg.Metrics
	if !cfg.Enabled {
		return
	}
	_, err := openTLS(cfg.TLS.TLS(), "metrics.tls", e.log)
	e.add(err)
	e.add(health.CheckReach(cfg.Listen(), cfg.TLS.ClientCAFile != "", cfg.Plain))
}

// console looks at the page on which people approve.
func (e *examination) console() {
	cfg := &e.cfg.Approvals
	if !cfg.Enabled() || !cfg.Console.Enabled {
		return
	}
	site, err := consoleSite(cfg, e.log)
	e.add(err)
	if cfg.ValidateConsole() != nil { // the configuration has told what is wrong
		return
	}
	if site.TLS == nil && cfg.Console.TLS.CertFile != "" {
		site.TLS = new(extapi.TLSKeeper) // for the look at the address: it is to be encrypted
	}
	e.addOf("approvals.console", site.Check())
}

// sockets looks at the one of the data directory, and at that by which people vote.
func (e *examination) sockets(known *durable) {
	if known.dir.Path() != "" {
		e.addOf("the admin socket "+known.dir.AdminSocket(), admin.CheckPlace(known.dir.AdminSocket()))
	}
	cfg := &e.cfg.Approvals
	if !cfg.Enabled() || known.dir.Path() == "" && cfg.Socket == "" {
		return
	}
	path, err := expandHome(cfg.SocketPath(known.dir.Path()), "approvals.socket")
	if err != nil {
		e.add(err)
		return
	}
	e.addOf("the socket for approvals "+path, approvals.Check(path, cfg.SocketGroup))
	ipc, err := ipcPath(e.cfg)
	if err == nil && ipc != "" && samePath(ipc, path) {
		e.add(usagef("approvals.socket: %s is where requests come in (listeners.ipc.path): give another path", path))
	}
	if known.dir.Path() != "" && samePath(known.dir.AdminSocket(), path) {
		e.add(usagef("approvals.socket: %s is the admin socket: give another path", path))
	}
}

// checkpointKey looks whether the key that signs the audit log's head can be one of the
// vaults: whether it is there, they are asked.
func (e *examination) checkpointKey() {
	name := e.cfg.Audit.CheckpointKey
	vault, key, named := strings.Cut(name, "/")
	if !named || vault == "" || key == "" || len(e.cfg.Vaults) == 0 { // an address, or the configuration has told what is wrong
		return
	}
	var names []string
	for i := range e.cfg.Vaults {
		v := &e.cfg.Vaults[i]
		label := v.Label()
		names = append(names, label)
		if !strings.EqualFold(label, vault) {
			continue
		}
		if len(v.Keys) > 0 && !slices.ContainsFunc(v.Keys, func(given string) bool { return sameKey(given, key) }) {
			e.add(usagef("audit.checkpoint_key: vault %s is used for the keys %s alone, and %q is none of them: add it to vaults[%d].keys", label, strings.Join(v.Keys, ", "), key, i))
		}
		return
	}
	e.add(usagef("audit.checkpoint_key: no vault is called %q%s", vault, suggest.DidYouMean("", vault, names)))
}

// sameKey reports whether two texts, NAME or NAME/VERSION, can be one key.
func sameKey(a, b string) bool {
	nameA, versionA, _ := strings.Cut(a, "/")
	nameB, versionB, _ := strings.Cut(b, "/")
	return strings.EqualFold(nameA, nameB) && (versionA == "" || versionB == "" || strings.EqualFold(versionA, versionB))
}

// auditLog looks at where the audit log is to be.
func (e *examination) auditLog(known *durable) {
	if e.cfg.Audit.File == "" && known.dir.Path() == "" {
		return
	}
	path, err := auditPath(e.cfg, known.dir)
	if err == nil {
		err = audit.CheckPlace(path)
	}
	e.add(err)
}

// webhooks looks at what those are signed with who are told of tickets.
func (e *examination) webhooks() {
	if !e.cfg.Approvals.Enabled() {
		return
	}
	hooks := e.cfg.Approvals.Webhooks
	for i := range hooks {
		_, err := hooks[i].Secret(webhookKey(i))
		e.add(err)
	}
}

// tracing looks at what goes with requests to the receiver of traces.
func (e *examination) tracing() {
	if e.cfg.Tracing.Endpoint == "" && !tracing.Wanted() {
		return
	}
	_, err := e.cfg.Tracing.Headers()
	e.add(err)
}
