package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/reread"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/identity"
)

// sharedName is what those are called who have the secret of tokens, unless the
// configuration says it.
const sharedName = "jwt"

// openTokens returns what tells who sends a token to a listener, nil if callers need
// none. The key is that of the configuration, such as listeners.http.jwt. Nobody is
// asked yet. Close it.
func openTokens(cfg *config.JWT, key string, log *slog.Logger) (*identity.Tokens, error) {
	if !cfg.Enabled() {
		return nil, nil //nolint:nilnil // as it is taken
	}
	var made identity.Config
	var problems []error
	if cfg.SecretFile != "" {
		name := sharedName
		if cfg.SecretPrincipal != "" {
			name = cfg.SecretPrincipal
		}
		secret, err := reread.New(reread.Config[*identity.Secret]{
			Read: func() (*identity.Secret, error) { return readShared(cfg, key, name) }, Same: (*identity.Secret).Same,
			Logger: log.With("key", key+".secret_file", "file", cfg.SecretFile),
		})
		if err != nil {
			problems = append(problems, err)
		} else {
			made.Secret = secret.Value
		}
		if err := extapi.CheckCallerName(name); err != nil {
			problems = append(problems, fmt.Errorf("%s.secret_principal: %w", key, err))
		}
	}
	if cfg.Issuer != "" {
		made.Issuer = &identity.Issuer{
			URL: cfg.Issuer, Audience: cfg.Audience, KeysURL: cfg.JWKSURL, PrincipalClaim: cfg.PrincipalClaim, Algorithms: cfg.Algorithms, Logger: log,
		}
		check := *made.Issuer
		if check.Audience == "" { // the configuration has told it
			check.Audience = "missing"
		}
		if err := check.Check(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, &usageError{err}
	}
	tokens, err := identity.New(made)
	if err != nil {
		return nil, usagef("%s: %w", key, err)
	}
	return tokens, nil
}

// readShared reads the secret that callers have too, whose name is given.
func readShared(cfg *config.JWT, key, name string) (*identity.Secret, error) {
	text, err := cfg.Secret(key)
	if err != nil {
		return nil, err
	}
	secret, err := identity.NewSecret(text, name)
	if err != nil {
		return nil, fmt.Errorf("%s.secret_file: %s: %w", key, cfg.SecretFile, err)
	}
	return secret, nil
}

// frontCallers returns who the callers of the listener in front of a node are, and
// what closes it.
func frontCallers(cfg *config.Proxy, log *slog.Logger) (callers extapi.Callers, stop func(), err error) {
	var errTLS, errTokens error
	callers.TLS, errTLS = openTLS(cfg.TLS, "proxy.tls", log)
	tokens, errTokens := openTokens(&cfg.JWT, "proxy.jwt", log)
	if err := errors.Join(errTLS, errTokens); err != nil {
		return extapi.Callers{}, nil, err
	}
	if tokens == nil {
		return callers, func() {}, nil
	}
	callers.Tokens = tokens
	return callers, tokens.Close, nil
}

// principalsOf returns the names under which a user of the machine asks over the
// socket, where the listener tells users apart.
func principalsOf(ipc *config.IPC) func(uid uint32) string {
	users, err := ipc.Users()
	if users == nil || err != nil {
		return nil
	}
	return users.Principal
}

// asksAs reports whether a principal is one under which a person's user asks over the
// socket.
func asksAs(principalOf func(uid uint32) string, person config.Person, principal string) bool {
	return principalOf != nil && person.UID != nil && slices.Contains([]string{principalOf(*person.UID), extapi.UserName(*person.UID)}, principal)
}

func hostPort(addr string, port uint16) string {
	return net.JoinHostPort(addr, strconv.Itoa(int(port)))
}
