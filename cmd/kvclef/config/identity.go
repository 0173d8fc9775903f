package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/extapi"
)

// JWT are tokens that say who a caller is. Where there are any, every caller needs one.
type JWT struct {
	// SecretFile is a file with 64 hexadecimal digits, as geth's --authrpc.jwtsecret
	// has it, which others can't read: tokens of HS256. Default: none.
	SecretFile string `yaml:"secret_file"`

	// SecretPrincipal is what those are called who have the secret. Default: jwt.
	SecretPrincipal string `yaml:"secret_principal"`

	// Issuer is the claim iss of tokens of RS256 and ES256, an https URL. Default:
	// none, there are no such tokens.
	Issuer string `yaml:"issuer"`

	// Audience is what the claim aud of these must be or have. Required with Issuer.
	Audience string `yaml:"audience"`

	// JWKSURL is where the issuer's keys are. Default: what the issuer says at
	// /.well-known/openid-configuration.
	JWKSURL string `yaml:"jwks_url"`

	// PrincipalClaim is the claim that names the caller. Default: sub.
	PrincipalClaim string `yaml:"principal_claim"`

	// Algorithms are those of the issuer's tokens that count. Default: RS256, ES256.
	Algorithms []string `yaml:"algorithms"`
}

// Enabled reports whether callers need a token.
func (j *JWT) Enabled() bool { return j.SecretFile != "" || j.Issuer != "" }

// Secret returns the text of the secret, "" if there is none. The key is that of the
// configuration, such as listeners.http.jwt.
func (j *JWT) Secret(key string) (string, error) {
	if j.SecretFile == "" {
		return "", nil
	}
	return readSecret(key+".secret_file", j.SecretFile)
}

func (j *JWT) validate(key string) error {
	var problems []error
	if j.SecretFile == "" && j.SecretPrincipal != "" {
		problems = append(problems, fmt.Errorf("%s.secret_principal: it goes with secret_file: give both", key))
	}
	if j.Issuer == "" && (j.Audience != "" || j.JWKSURL != "" || j.PrincipalClaim != "" || len(j.Algorithms) > 0) {
		problems = append(problems, fmt.Errorf("%s.issuer is missing: audience, jwks_url, principal_claim and algorithms go with it", key))
	}
	if j.Issuer != "" && j.Audience == "" {
		problems = append(problems, fmt.Errorf("%s.audience is missing: give the name of this signer at the issuer, or its tokens for others would count", key))
	}
	return errors.Join(problems...)
}

// TellsUsers reports whether the users of the machine are told apart.
func (i *IPC) TellsUsers() bool {
	return len(i.Principals) > 0 || i.OnlyKnown || i.SocketGroup != ""
}

// Users returns who the users of the machine are, nil if they are not told apart.
func (i *IPC) Users() (*extapi.Users, error) {
	if !i.TellsUsers() {
		return nil, nil //nolint:nilnil // as it is taken
	}
	users := &extapi.Users{Names: make(map[uint32]string, len(i.Principals)), OnlyKnown: i.OnlyKnown}
	var problems []error
	for _, text := range slices.Sorted(maps.Keys(i.Principals)) {
		name := i.Principals[text]
		uid, err := strconv.ParseUint(text, 10, 32)
		switch {
		case err != nil || text != strconv.FormatUint(uid, 10):
			problems = append(problems, fmt.Errorf("listeners.ipc.principals: %q is not the number of a user, such as 1000", text))
		case extapi.CheckUserName(name) != nil:
			problems = append(problems, fmt.Errorf("listeners.ipc.principals.%s: %w", text, extapi.CheckUserName(name)))
		default:
			users.Names[uint32(uid)] = name
		}
	}
	return users, errors.Join(problems...)
}

func (i *IPC) validate() error {
	if i.Disabled {
		return nil
	}
	_, err := i.Users()
	if i.OnlyKnown && len(i.Principals) == 0 {
		err = errors.Join(err, errors.New("listeners.ipc.only_known: nobody could call: give listeners.ipc.principals"))
	}
	return err
}

// validateIdentity checks how callers prove who they are.
func (c *Config) validateIdentity() error {
	problems := []error{c.Listeners.IPC.validate(), c.Listeners.HTTP.JWT.validate("listeners.http.jwt"), c.Proxy.JWT.validate("proxy.jwt")}
	for key, audience := range map[string]string{"listeners.http.jwt": c.Listeners.HTTP.JWT.Audience, "proxy.jwt": c.Proxy.JWT.Audience} {
		if client := c.Approvals.Console.OIDC.ClientID; audience != "" && strings.EqualFold(audience, client) {
			problems = append(problems, fmt.Errorf("%s.audience: it is the client_id of approvals.console.oidc, so that whoever signs in there would be a caller here: register another", key))
		}
	}
	return errors.Join(problems...)
}
