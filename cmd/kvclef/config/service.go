package config

import (
	"errors"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// HostedService is the document of a service of a hosted CloudHSM: a name, and the
// configuration of the vault that it signs with.
type HostedService struct {
	// Name is what the service is called.
	Name string `yaml:"name" json:"name"`

	// MembershipID is accepted and unused.
	MembershipID string `yaml:"membership_id" json:"membership_id"`

	// Service is "cloudhsm".
	Service string `yaml:"service" json:"service"`

	// Details say what the service is made of.
	Details HostedServiceDetails `yaml:"details" json:"details"`
}

// HostedServiceDetails say which configuration a service is of. All but that is
// kvclef's own, for services that one process hosts: in a file, which configures
// a process, flags say the same, and these keys are not known.
type HostedServiceDetails struct {
	// CloudHSMID is the id that the hosting service gave to the configuration. The
	// document of that does not have it, so that a file's can't be compared.
	CloudHSMID string `yaml:"cloudhsm_id" json:"cloudhsm_id"`

	// Node is the endpoint of the node, as in proxy.node. Default: the process's.
	Node string `yaml:"-" json:"node,omitempty"`

	// NodeWS is where subscriptions go, as in proxy.node_ws. Default: the process's
	// for the process's node, and none for one that is given.
	NodeWS string `yaml:"-" json:"node_ws,omitempty"`

	// ChainIDs are the chains that are signed for. Default: the node's when the
	// service is made.
	ChainIDs []uint64 `yaml:"-" json:"chain_ids,omitempty"`

	// Policy is the path of a policy on the signer's machine. Default: the
	// process's policy.
	Policy string `yaml:"-" json:"policy,omitempty"`

	// PolicySHA256 is the hash that the policy must have, in 64 hexadecimal digits.
	PolicySHA256 string `yaml:"-" json:"policy_sha256,omitempty"`
}

// LoadHosted reads the document of a hosted configuration, which names a vault. It
// holds a secret, and must be readable by its owner alone.
func LoadHosted(path string) (Vault, error) {
	text, err := readSecret("--cloudhsm", path)
	if err != nil {
		return Vault{}, err
	}
	var document HostedDocument
	if err := parseDocument(path, []byte(text), &document); err != nil {
		return Vault{}, err
	}
	vault, err := document.Vault()
	if err != nil {
		return Vault{}, fmt.Errorf("%s: %w", path, err)
	}
	return vault, nil
}

// LoadHostedService reads the document of a hosted service.
func LoadHostedService(path string) (HostedService, error) {
	var service HostedService
	data, _, err := ReadOrdinary(path, maxSize)
	if err != nil {
		return service, fmt.Errorf("--cloudhsm-service: %w", err)
	}
	if err := parseDocument(path, data, &service); err != nil {
		return service, err
	}
	if err := service.check(); err != nil {
		return service, fmt.Errorf("%s: %w", path, err)
	}
	return service, nil
}

// check checks what every such document must have.
func (s HostedService) check() error {
	switch {
	case s.Service != "cloudhsm":
		return fmt.Errorf("service %q: only cloudhsm is known", s.Service)
	case s.Name == "":
		return errors.New("name is missing")
	case s.Details.CloudHSMID == "":
		return errors.New("details.cloudhsm_id is missing: it names the configuration")
	}
	return nil
}

// parseDocument reads one document, JSON or YAML, strictly.
func parseDocument(path string, data []byte, into any) error {
	if len(data) > maxSize {
		return fmt.Errorf("%s: larger than %d bytes, which no such document is", path, maxSize)
	}
	var document yaml.Node
	switch err := yaml.Unmarshal(data, &document); {
	case err != nil:
		return syntaxError(path, err)
	case len(document.Content) != 1:
		return errors.New(path + ": it is empty")
	}
	if err := (checker{path}).check(document.Content[0], reflect.TypeOf(into).Elem(), ""); err != nil {
		return err
	}
	if err := document.Content[0].Decode(into); err != nil {
		return syntaxError(path, err)
	}
	return nil
}
