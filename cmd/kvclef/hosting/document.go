package hosting

import (
	"fmt"
	"regexp"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// Scope is where a configuration or a service belongs. Each is seen in its own
// alone.
type Scope struct {
	Consortium  string `json:"consortium"`
	Environment string `json:"environment"`
}

var scopeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (s Scope) check() error {
	for _, part := range []struct{ kind, name string }{{"consortium", s.Consortium}, {"environment", s.Environment}} {
		if !scopeName.MatchString(part.name) {
			return fmt.Errorf("%s %.100q: want 1 to 64 letters, digits, - and _", part.kind, part.name)
		}
	}
	return nil
}

// Configuration is a vault that services may sign with. In JSON it is the document
// that was given, without the secret.
type Configuration struct {
	ID           string               `json:"id"`
	CreatedAt    time.Time            `json:"created_at"` // UTC
	Type         string               `json:"type"`       // "cloudhsm"
	Name         string               `json:"name"`       // of the vault in rules, logs and audit
	MembershipID string               `json:"membership_id"`
	Details      ConfigurationDetails `json:"details"`

	Scope Scope `json:"-"`

	// Vault is the same in kvclef's own form. It holds the secret, which nothing
	// prints.
	Vault config.Vault `json:"-"`
}

// ConfigurationDetails say where the vault is, and as whom it is used.
type ConfigurationDetails struct {
	Provider       string `json:"provider"`
	TargetAddress  string `json:"target_address,omitempty"`
	UserID         string `json:"user_id"`
	SubscriptionID string `json:"subscription_id,omitempty"`
	TenantID       string `json:"tenant_id"`
	VaultName      string `json:"vault_name"`
}

// Service is a signing service in front of a node. In JSON it is the document that
// was given, with the hash of its policy.
type Service struct {
	ID           string                      `json:"id"`
	CreatedAt    time.Time                   `json:"created_at"` // UTC
	Name         string                      `json:"name"`
	MembershipID string                      `json:"membership_id"`
	Service      string                      `json:"service"` // "cloudhsm"
	Details      config.HostedServiceDetails `json:"details"`

	Scope Scope `json:"-"`

	// PolicySource is the text of the policy at Details.Policy, read at this start;
	// nil if the process's policy decides.
	PolicySource []byte `json:"-"`
}

// record is what is sealed: a document, and what was added to it.
type record[Document any] struct {
	Scope     Scope     `json:"scope"`
	CreatedAt time.Time `json:"created_at"`
	Document  Document  `json:"document"`
}

func newRecord[Document any](scope Scope, document Document) record[Document] {
	return record[Document]{scope, time.Now().UTC().Truncate(time.Millisecond), document}
}

// configurationOf returns what a record holds.
func configurationOf(id string, r record[config.HostedDocument]) (Configuration, error) {
	vault, err := r.Document.Vault()
	if err != nil {
		return Configuration{}, err
	}
	d := r.Document
	return Configuration{
		ID: id, CreatedAt: r.CreatedAt, Type: d.Type, Name: d.Name, MembershipID: d.MembershipID, Scope: r.Scope, Vault: vault,
		Details: ConfigurationDetails{
			Provider: d.Details.Provider, TargetAddress: d.Details.TargetAddress, UserID: d.Details.UserID,
			SubscriptionID: d.Details.SubscriptionID, TenantID: d.Details.TenantID, VaultName: d.Details.VaultName,
		},
	}, nil
}

// serviceOf returns what a record holds.
func serviceOf(id string, r record[config.HostedService]) Service {
	d := r.Document
	return Service{
		ID: id, CreatedAt: r.CreatedAt, Name: d.Name, MembershipID: d.MembershipID, Service: d.Service, Details: d.Details, Scope: r.Scope,
	}
}
