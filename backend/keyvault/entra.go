package keyvault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"github.com/kvclef/kvclef/backend"
)

// entraFault is what Entra's codes mean and whether reading the credential
// again may help.
type entraFault struct {
	message string
	rotated bool
}

// entraFaults are the codes that an operator meets, from Microsoft's reference
// of AADSTS error codes.
var entraFaults = map[string]entraFault{
	"7000215": {"the client secret is wrong: use the secret's value, not its id", true},
	"7000222": {"the client secret has expired: create a new one", true},
	"700016":  {"the client id is not known in this tenant: check client id and tenant id", false},
	"90002":   {"the tenant id is unknown: check it, and that the vault is in this cloud", false},
	"900023":  {"the tenant id is malformed: check it", false},
	"900382":  {"the vault is in another cloud than the authority: check URL and authority", false},
	"700024":  {"the federated token is outside its validity: check that it is renewed, and the clock", true},
	"700027":  {"the certificate is not registered with the application, or has expired", true},
	"70021":   {"no federated credential matches the token: check its issuer, subject and audience", true},
	"700211":  {"no federated credential has the token's issuer", true},
	"700212":  {"no federated credential has the token's audience", true},
	"700213":  {"no federated credential has the token's subject", true},
	"7000229": {"the application has no service principal in this tenant: create it or grant consent", false},
	"7000112": {"the application is disabled", false},
	"500011":  {"the vault's service is unknown in this tenant: check URL and tenant id", false},
	"53003":   {"conditional access blocks this identity or this machine", false},
	"50034":   {"the account does not exist in this tenant", false},
}

var entraCode = regexp.MustCompile(`AADSTS([0-9]{4,8})`)

// classifyToken explains a failure to get a token. The SDK's text holds the
// whole answer, so only codes are taken from it.
func (v *Vault) classifyToken(f *failure, token *tokenError) {
	f.verdict, f.NotSigned, f.Kind = inconclusive, true, backend.KindForbidden
	prefix := fmt.Sprintf("no token for vault %s: ", v.cfg.Name)
	if token.status == 0 {
		f.Message = prefix + v.withoutAnswer(f, token)
		return
	}
	known, ok := entraFaults[token.code]
	switch {
	case ok:
		f.stale = known.rotated
		f.Message = prefix + known.message + " (AADSTS" + token.code + ")"
	case token.status == http.StatusTooManyRequests:
		f.Kind, f.RetryAfter, f.retry = backend.KindBusy, token.retryAfter, true
		f.Message = prefix + "the identity provider is busy"
	case token.status >= 500:
		f.Kind, f.retry = backend.KindUnavailable, true
		f.Message = prefix + fmt.Sprintf("the identity provider is out of order (%d)", token.status)
	case token.code != "":
		f.stale = true
		f.Message = prefix + "the identity provider refuses (AADSTS" + token.code + ")"
	default:
		f.Message = prefix + fmt.Sprintf("the identity provider refuses (%d)", token.status)
	}
}

// withoutAnswer explains a failure that no answer of Entra came with.
func (v *Vault) withoutAnswer(f *failure, token *tokenError) string {
	switch {
	case certificateError(token.transport):
		f.Kind = backend.KindUnavailable
		return "the certificate of the identity provider is not trusted: set the CA file if a proxy replaces certificates"
	case token.transport != nil || token.timeout:
		f.Kind, f.retry = backend.KindUnavailable, true
		return "the identity provider can't be reached"
	case tenantMismatch.MatchString(token.text):
		return "the vault is in another tenant than the credential: correct the tenant id or list the vault's under additionally allowed tenants"
	}
	remedy := "see the log, check its settings"
	if v.cfg.Credential.Kind == "azure-cli" {
		remedy = "run az login as the user that kvclef runs as"
	}
	return "credential " + printable(v.cfg.Credential.Kind) + " is not available here: " + remedy
}

// tenantMismatch recognises azidentity's refusal, which has no type of its own.
var tenantMismatch = regexp.MustCompile(`(?i)isn't configured to acquire tokens for tenant`)

// parseEntraCode returns the AADSTS number of an answer without its letters.
func parseEntraCode(body []byte) string {
	var answer struct {
		Codes       []json.Number `json:"error_codes"`
		Description string        `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if m := entraCode.FindStringSubmatch(answer.Description); m != nil {
		return m[1]
	}
	if len(answer.Codes) > 0 {
		code := answer.Codes[0].String()
		if entraCode.FindString("AADSTS"+code) == "AADSTS"+code {
			return code // no number of another length, and nothing that follows it
		}
	}
	return ""
}
