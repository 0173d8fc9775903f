package keyvault

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Credential says as whom to call the vault. Kind is one of:
//
//	client-secret       TenantID, ClientID and one of SecretFile, SecretEnv, Secret
//	client-certificate  TenantID, ClientID, CertificateFile (PEM or PKCS#12, RSA)
//	workload-identity   TenantID, ClientID, TokenFile; default: the AZURE_ variables that AKS sets
//	managed-identity    ClientID of a user-assigned identity, or nothing
//	azure-cli           TenantID or nothing
//	environment         the AZURE_ variables of EnvironmentCredential
//	default             the SDK's DefaultAzureCredential chain
//
// Files and variables are read again whenever the credential is built anew, so
// that a rotated secret needs no restart.
type Credential struct {
	Kind     string
	TenantID string
	ClientID string

	SecretFile string // path of a file that holds the client secret
	SecretEnv  string // name of an environment variable that holds it
	Secret     Secret // the secret itself

	CertificateFile         string // PEM or PKCS#12, with its private key
	CertificatePasswordFile string // path of a file that holds the password of a PKCS#12 file
	TokenFile               string // federated token of a workload identity

	// AdditionallyAllowedTenants admits vaults of other tenants; "*" admits all.
	AdditionallyAllowedTenants []string
}

// build makes the credential, for the authority that the vault's cloud has.
func (c Credential) build(e endpoint, transport *transports, tryTimeout, retryDelay time.Duration) (azcore.TokenCredential, error) {
	client := transport.vault
	if c.Kind == "managed-identity" {
		client = transport.plain
	}
	cred, err := c.newCredential(e, azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: e.authority},
		Transport: client,
		Retry: policy.RetryOptions{
			MaxRetries: 1, RetryDelay: retryDelay, MaxRetryDelay: 2 * time.Second,
			TryTimeout: tryTimeout, ShouldRetry: worthRetrying,
		},
		Telemetry: policy.TelemetryOptions{ApplicationID: applicationID},
	})
	switch {
	case err != nil && c.Kind == "environment":
		return nil, fmt.Errorf("credential environment: %w: set the AZURE_* variables of an application, or choose another kind, such as managed-identity or azure-cli", err)
	case err != nil:
		return nil, fmt.Errorf("credential %s: %w", printable(c.Kind), err)
	}
	return cred, nil
}

func (c Credential) newCredential(e endpoint, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	switch c.Kind {
	case "client-secret":
		return c.clientSecret(e, options)
	case "client-certificate":
		return c.clientCertificate(e, options)
	case "workload-identity":
		return c.workloadIdentity(e, options)
	case "managed-identity":
		// The machine's own endpoint asks for more patience than Entra does.
		options.Retry = policy.RetryOptions{}
		id := azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if c.ClientID != "" {
			id.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(&id)
	case "azure-cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{
			TenantID: c.TenantID, AdditionallyAllowedTenants: c.AdditionallyAllowedTenants,
		})
	case "environment":
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: e.custom,
		})
	case "default":
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: e.custom,
			TenantID: c.TenantID, AdditionallyAllowedTenants: c.AdditionallyAllowedTenants,
		})
	case "":
		return nil, errors.New("the kind is missing: want one of " + credentialKinds)
	default:
		return nil, errors.New("unknown kind: want one of " + credentialKinds)
	}
}

const credentialKinds = "client-secret, client-certificate, workload-identity, managed-identity, azure-cli, environment, default"

func (c Credential) clientSecret(e endpoint, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	secret, err := c.readSecret()
	if err := errors.Join(c.needTenantAndClient(), err); err != nil {
		return nil, err
	}
	return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: e.custom,
		AdditionallyAllowedTenants: c.AdditionallyAllowedTenants,
	})
}

func (c Credential) clientCertificate(e endpoint, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	certs, key, err := c.readCertificate()
	if err := errors.Join(c.needTenantAndClient(), err); err != nil {
		return nil, err
	}
	cred, err := azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: e.custom,
		AdditionallyAllowedTenants: c.AdditionallyAllowedTenants,
	})
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", c.CertificateFile, err)
	}
	return cred, nil
}

func (c Credential) workloadIdentity(e endpoint, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	if c.TokenFile != "" {
		if _, err := os.Stat(c.TokenFile); err != nil {
			return nil, fmt.Errorf("reading the federated token: %w", err)
		}
	}
	return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: e.custom,
		TenantID: c.TenantID, ClientID: c.ClientID, TokenFilePath: c.TokenFile,
		AdditionallyAllowedTenants: c.AdditionallyAllowedTenants,
	})
}

func (c Credential) needTenantAndClient() error {
	var tenant, client error
	if c.TenantID == "" {
		tenant = errors.New("the tenant id is missing")
	}
	if c.ClientID == "" {
		client = errors.New("the client id is missing")
	}
	return errors.Join(tenant, client)
}

// readCertificate reads the client's certificates and their key.
func (c Credential) readCertificate() ([]*x509.Certificate, crypto.PrivateKey, error) {
	if c.CertificateFile == "" {
		return nil, nil, errors.New("the certificate file is missing")
	}
	data, err := readBounded(c.CertificateFile)
	if err != nil {
		err = fmt.Errorf("reading the certificate: %w", err)
	}
	var password []byte
	if c.CertificatePasswordFile != "" {
		var errPassword error
		if password, errPassword = readBounded(c.CertificatePasswordFile); errPassword != nil {
			err = errors.Join(err, fmt.Errorf("reading the certificate's password: %w", errPassword))
		}
		password = []byte(strings.TrimRight(string(password), "\r\n"))
	}
	if err != nil {
		return nil, nil, err
	}
	certs, key, err := azidentity.ParseCertificates(data, password)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: want a certificate and its RSA key as PEM or PKCS#12: %w", c.CertificateFile, err)
	}
	return certs, key, nil
}

// readSecret reads the client secret from the one place that is given.
func (c Credential) readSecret() (string, error) {
	given := 0
	for _, set := range []bool{c.SecretFile != "", c.SecretEnv != "", !c.Secret.IsZero()} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return "", fmt.Errorf("want exactly one of secret file, secret variable and secret, have %d", given)
	case c.SecretEnv != "":
		secret := os.Getenv(c.SecretEnv)
		if secret == "" {
			return "", fmt.Errorf("the client secret's variable %s is not set", printable(c.SecretEnv))
		}
		return secret, nil
	case c.SecretFile != "":
		data, err := readBounded(c.SecretFile)
		if err != nil {
			return "", fmt.Errorf("reading the client secret: %w", err)
		}
		secret := strings.TrimSpace(string(data))
		if secret == "" {
			return "", fmt.Errorf("the client secret's file %s is empty", c.SecretFile)
		}
		return secret, nil
	}
	return c.Secret.reveal(), nil
}
