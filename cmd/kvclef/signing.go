package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/identity"
	"github.com/kvclef/kvclef/rules"
)

// signing is what a signer is made of, whether serve or dev started it.
type signing struct {
	cfg          *config.Config
	name         string // of the service in front of a node
	vaults       vaultSet
	state        *durable
	decider      extapi.Decider
	desk         desk
	loopbackOnly bool
	proxyCallers extapi.Callers // of the listener in front of a node
	watch        *watch
	log          *slog.Logger
	answers      *extapi.AnswerRoom // of all listeners

	outboxes outboxes
	node     atomic.Pointer[nodeClient] // nil: it stands in front of none, or not yet

	// ready is called when the listeners are open, with the accounts of callers.
	ready func(addresses, []rules.Account) error
}

// addresses is where a signer listens; "" is off.
type addresses struct {
	ipc, http, proxy, metrics string

	tls, proxyTLS config.TLS // of http and proxy

	token, proxyToken bool // whether callers of them need a token
}

// run opens the listeners and serves until the context ends. Then requests
// under way are waited for, within the configured bound.
func (s *signing) run(ctx context.Context) (err error) {
	keyring := s.vaults.keyring()
	reserved, stopCheckpoints, err := startCheckpoints(ctx, s.cfg, keyring, s.log, s.state.audit)
	if err != nil {
		return err
	}
	defer stopCheckpoints()
	signer := reserve(keyringSigner{keyring}, reserved)
	s.answers = extapi.NewAnswerRoom(s.cfg.Limits.ResponseBytes)
	listen, err := s.serverConfig()
	if err != nil {
		return err
	}
	account, err := s.account(signer)
	if err != nil {
		return err
	}
	if err := s.state.begin(ctx, s.decides()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.state.end(ctx, err)) }()
	if err := s.state.starting(ctx, addresses{ipc: listen.IPCPath, http: listen.HTTPAddr, tls: s.cfg.Listeners.HTTP.TLS}); err != nil {
		return err
	}
	s.state.allowReload(s.cfg)
	metricsAddr, stopWatching, err := s.serveMetrics(ctx, signer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopWatching(ctx)) }() // it is watched to the end
	stopApprovals, err := s.serveApprovals(ctx, signer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopApprovals(ctx)) }() // people who are waited for can vote to the end
	stopConsole, err := s.serveConsole(ctx, signer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopConsole(ctx)) }() // likewise
	// A signal while the listeners open is for serve, which closes them again in
	// good order: a caller may be connected to the first already.
	open, err := s.open(context.WithoutCancel(ctx), account, signer, reserved, listen)
	if err != nil {
		return err
	}
	open.metrics = metricsAddr
	go s.prepare(ctx)
	return s.serve(ctx, keyring, signer, open)
}

// account returns what answers the external API.
func (s *signing) account(signer extapi.Signer) (*extapi.Account, error) {
	maker, err := s.keyMaker()
	if err != nil {
		return nil, err
	}
	return s.newAccount(signer, maker, s.judging(), s.cfg.ChainIDs)
}

// judging is a decider, and what validation is to know of it.
type judging struct {
	decider    extapi.Decider
	decides    bool                            // nothing that a policy knows better need refuse
	signatures func(selector [4]byte) []string // of methods that its policy names; nil: none
}

// judging is what decides for the process.
func (s *signing) judging() judging {
	return judging{s.decider, s.state.inForce.policy != nil || s.approvesAll(), s.state.signatures}
}

// newAccount returns what takes requests to a decider and a signer.
func (s *signing) newAccount(signer extapi.Signer, maker extapi.KeyMaker, by judging, chains []uint64) (*extapi.Account, error) {
	account, err := extapi.NewAccount(withFailpoints(extapi.Config{
		Decider:       by.decider,
		Signer:        signer,
		Auditor:       s.state.auditor(),
		KeyMaker:      maker,
		ChainIDs:      bigIDs(chains),
		Advanced:      s.cfg.Advanced,
		PolicyDecides: by.decides,
		Signatures:    by.signatures,
		FourByteFile:  s.cfg.FourByteFile,
		Desk:          s.desk.open(s.cfg.Limits.Callers),
		MaxWait:       s.cfg.Limits.MaxWait,
		SignTimeout:   s.cfg.Limits.SignTimeout,
		Repeat:        s.cfg.Limits.Repeat,
		Excerpts:      s.cfg.Audit.Requests == config.RequestExcerpts,
		Logger:        s.log,
		Observer:      s.watch.observer(),
	}))
	if err != nil {
		return nil, &usageError{err}
	}
	return account, nil
}

// listening are the listeners of a signer; nil is one that is off.
type listening struct {
	server *extapi.Server
	front  *front
	hosted *hostRunner // nil: nothing is hosted

	tokens    *identity.Tokens // of the server; nil: none
	stopFront func()           // what tells who calls; nil: there is no front
	addresses
}

// open opens the listeners: all of them, or none.
func (s *signing) open(ctx context.Context, account *extapi.Account, signer extapi.Signer, reserved common.Address, listen extapi.ServerConfig) (_ *listening, err error) {
	open := &listening{addresses: addresses{tls: s.cfg.Listeners.HTTP.TLS, proxyTLS: s.cfg.Proxy.TLS, token: s.cfg.Listeners.HTTP.JWT.Enabled(), proxyToken: s.cfg.Proxy.JWT.Enabled()}}
	if s.cfg.Proxy.Enabled() {
		if s.proxyCallers, open.stopFront, err = frontCallers(&s.cfg.Proxy, s.log); err != nil {
			return nil, err
		}
		if open.hosted, err = s.openHosting(ctx, signer, func(of extapi.Signer) extapi.Signer { return reserve(of, reserved) }); err != nil {
			return nil, err
		}
		if open.front, err = s.openFront(ctx, account, signer, open.hosted); err != nil {
			return nil, errors.Join(err, open.shutdown(ctx))
		}
		open.proxy = open.front.proxy.Addr()
	}
	if listen.IPCPath == "" && listen.HTTPAddr == "" {
		return open, nil
	}
	if open.tokens, err = openTokens(&s.cfg.Listeners.HTTP.JWT, "listeners.http.jwt", s.log); err != nil {
		return nil, errors.Join(err, open.shutdown(ctx))
	}
	if open.tokens != nil {
		listen.Tokens = open.tokens
	}
	listen.Release = buildVersion().Version
	server, err := extapi.NewServer(account, listen)
	if err != nil {
		return nil, errors.Join(&usageError{err}, open.shutdown(ctx))
	}
	if err := server.Start(ctx); err != nil {
		return nil, errors.Join(portTaken(err), open.shutdown(ctx))
	}
	open.server, open.ipc, open.http = server, listen.IPCPath, server.HTTPAddr()
	return open, nil
}

// portTaken adds to the error of a listener what to do where its port is in use.
func portTaken(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the program that listens there, or choose another port", err)
	}
	return err
}

// shutdown closes the listeners, and waits for requests under way until ctx ends.
func (l *listening) shutdown(ctx context.Context) error {
	var group errgroup.Group
	if l.server != nil {
		group.Go(func() error { return l.server.Shutdown(ctx) })
	}
	if l.front != nil {
		group.Go(func() error { return l.front.shutdown(ctx) })
	}
	if l.hosted != nil {
		group.Go(func() error { return l.hosted.registry.Close(ctx) })
	}
	err := group.Wait()
	if l.tokens != nil {
		l.tokens.Close()
	}
	if l.stopFront != nil {
		l.stopFront()
	}
	return err
}

func (s *signing) approvesAll() bool {
	_, all := s.decider.(rules.ApproveAll)
	return all
}

// decides says for the record what decides where there is no rule file.
func (s *signing) decides() string {
	switch {
	case s.approvesAll():
		return "EVERY REQUEST IS APPROVED"
	case s.state.ui != nil:
		return "no rules, a user interface decides"
	case s.state.asksAll:
		return "no rules, people approve"
	}
	return "no rules, nothing is signed"
}

// prepare makes what the first request with call data would have to wait for. What it
// was made of, 65 MB, goes back to the system at once: else it would be the most that
// most signers ever take.
func (s *signing) prepare(ctx context.Context) {
	if err := extapi.Prepare(); err != nil {
		s.log.WarnContext(ctx, "Selectors of methods not read: call data is refused unless the signer is advanced", "error", err)
	}
	debug.FreeOSMemory()
}

// serve waits for the end and closes the listeners.
func (s *signing) serve(ctx context.Context, keyring *backend.Keyring, signer extapi.Signer, open *listening) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.state.startUI(ctx, open.addresses); err != nil {
			return err
		}
		s.watch.listening(true)
		return s.ready(open.addresses, signer.Accounts())
	})
	if open.front != nil {
		group.Go(func() error { return open.front.outbox.Run(ctx) })
	}
	if open.hosted != nil {
		group.Go(func() error { open.hosted.sweep(ctx); return nil })
		group.Go(func() error { open.hosted.recount(ctx); return nil })
	}
	group.Go(func() error { s.refresh(ctx, keyring); return nil })
	group.Go(func() error { s.state.reloadOnHangUp(ctx, s.cfg); return nil })
	group.Go(func() error { return s.state.tellWebhooks(ctx, s.cfg) })
	group.Go(func() error { return s.state.sweepApprovals(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		s.watch.listening(false)
		s.log.InfoContext(ctx, "Shutting down", "timeout", s.cfg.Limits.ShutdownTimeout)
		s.state.hurryApprovals()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Limits.ShutdownTimeout)
		defer cancel()
		return open.shutdown(bounded)
	})
	return group.Wait()
}

// refresh reads the vaults' keys again and again until the context ends. The
// vaults log what changed and what failed.
func (s *signing) refresh(ctx context.Context, keyring *backend.Keyring) {
	if s.cfg.RefreshInterval == 0 {
		return
	}
	ticker := time.NewTicker(s.cfg.RefreshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := keyring.Refresh(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "Keys not read again; those known stay in use", "error", err)
			}
		}
	}
}

func (s *signing) serverConfig() (extapi.ServerConfig, error) {
	ipc, err := ipcPath(s.cfg)
	users, errUsers := s.cfg.Listeners.IPC.Users()
	if errUsers != nil {
		err = errors.Join(err, &usageError{errUsers})
	}
	l, h := s.cfg.Limits, s.cfg.Listeners.HTTP
	listen := extapi.ServerConfig{
		IPCPath:        ipc,
		IPCGroup:       s.cfg.Listeners.IPC.SocketGroup,
		Users:          users,
		LoopbackOnly:   s.loopbackOnly,
		VirtualHosts:   h.VirtualHosts,
		AllowedOrigins: h.Origins,
		TLS:            tlsConfig(h.TLS),
		MaxBody:        l.BodyBytes,
		MaxBatch:       l.Batch,
		MaxResponse:    l.ResponseBytes,
		Answers:        s.answers,
		ReadTimeout:    l.RequestTimeout,
		RequestTimeout: l.RequestTimeout,
		Logger:         s.log,
	}
	if h.Enabled {
		listen.HTTPAddr = net.JoinHostPort(h.Addr, strconv.Itoa(int(h.Port)))
	}
	if err == nil && listen.IPCPath == "" && listen.HTTPAddr == "" && !s.cfg.Proxy.Enabled() {
		err = usagef("both listeners are off: remove --ipcdisable or add --http")
	}
	return listen, err
}

func bigIDs(ids []uint64) []*big.Int {
	numbers := make([]*big.Int, len(ids))
	for i, id := range ids {
		numbers[i] = new(big.Int).SetUint64(id)
	}
	return numbers
}

func tlsConfig(cfg config.TLS) extapi.TLSConfig {
	converted := extapi.TLSConfig{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, ClientCAFile: cfg.ClientCAFile, CallerName: extapi.CallerName(cfg.CallerName)}
	if cfg.MinVersion == "1.2" {
		converted.MinVersion = tls.VersionTLS12
	}
	return converted
}

// openTLS returns the TLS of a listener, nil if it is in clear. The key is that of its
// configuration.
func openTLS(cfg config.TLS, key string, log *slog.Logger) (*extapi.TLSKeeper, error) {
	if cfg == (config.TLS{}) {
		return nil, nil //nolint:nilnil // as it is taken
	}
	keeper, err := extapi.NewTLSKeeper(tlsConfig(cfg), log)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", key, err)}
	}
	return keeper, nil
}

// httpURL returns the URL of an HTTP listener.
func (a addresses) httpURL() string { return schemeOf(a.tls) + "://" + a.http }

// proxyURL returns the URL of the listener in front of a node.
func (a addresses) proxyURL() string { return schemeOf(a.proxyTLS) + "://" + a.proxy }

func schemeOf(cfg config.TLS) string {
	if cfg.CertFile != "" {
		return "https"
	}
	return "http"
}
