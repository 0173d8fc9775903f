// Package config reads kvclef's configuration file: one YAML document, each
// key a field of [Config].
//
// Reading is strict. Unknown and duplicate keys, aliases, values of the wrong
// type and a second document are errors that name the line. The package never
// reaches a vault, never reads a secret's file, and puts no secret in an error.
package config

import (
	"time"

	"github.com/kvclef/kvclef/backend/keyvault"
)

// Config is the configuration of a signer. The comment of each field says what
// the key does and what is used when it is absent. docs/configuration.md
// explains the same keys in the same order.
type Config struct {
	// ChainIDs are the chains for which transactions are signed. There is no
	// default: a signer that guesses the chain signs for the wrong one.
	ChainIDs []uint64 `yaml:"chainids"`

	// ConfigDir is the folder of the IPC socket, with Clef's name clef.ipc, when
	// listeners.ipc.path is absent. Default: ~/.kvclef/kvclef.ipc is the socket.
	ConfigDir string `yaml:"configdir"`

	// Advanced signs transactions that validation warns of, as Clef's flag of
	// that name does. Default: false, they are refused.
	Advanced bool `yaml:"advanced"`

	// FourByteFile is a JSON file of additional method selectors. It is read and
	// never written. Default: none.
	FourByteFile string `yaml:"fourbyte_file"`

	// DataDir is the folder of the durable state and the audit log, made by
	// kvclef init. Default: ~/.kvclef; dev takes a temporary one.
	DataDir string `yaml:"datadir"`

	// Store is where the state is kept that several signers share. Default: in the data
	// directory, for one signer.
	Store Store `yaml:"store"`

	// Replica is what this signer is called among those that share a store, another
	// name for each. It is in the audit log. Default: the machine's name.
	Replica string `yaml:"replica"`

	Rules Rules `yaml:"rules"`
	Audit Audit `yaml:"audit"`

	Listeners Listeners `yaml:"listeners"`

	Proxy Proxy `yaml:"proxy"`

	Approvals Approvals `yaml:"approvals"`

	// Vaults hold the keys. At least one is needed. An entry may also have the
	// form of a hosted CloudHSM configuration, see [HostedVault].
	Vaults []Vault `yaml:"vaults"`

	AccountNew AccountNew `yaml:"account_new"`

	// RefreshInterval is how often the vaults' keys are read again in the
	// background. Default: 5m; "0s" is never.
	RefreshInterval time.Duration `yaml:"refresh_interval"`

	Log    Log    `yaml:"log"`
	Limits Limits `yaml:"limits"`

	Metrics Metrics `yaml:"metrics"`
	Tracing Tracing `yaml:"tracing"`

	// Place is not in the file: the flags, such as " --config kvclef.yaml", by which
	// another command finds the same state. "" is the default place.
	Place string `yaml:"-"`

	// Unchosen is not in the file either: its vaults that --vault leaves out.
	Unchosen []Vault `yaml:"-"`
}

// Rules decide what is signed.
type Rules struct {
	// Policy is a policy, a file that ends in .yaml or .yml. It is asked before the
	// rule file. Default: none.
	Policy string `yaml:"policy"`

	// Shadow is a policy that judges beside what decides, and decides nothing:
	// where it would have decided otherwise is logged. Default: none.
	Shadow string `yaml:"shadow"`

	// File is a rule file as Clef has it. Default: none. Without a policy and a
	// rule file nothing is signed.
	File string `yaml:"file"`

	// AttestKey is the address of the vault key that must have signed the
	// attestations of the policy and the rule file. Default: none, they need not
	// be signed.
	AttestKey string `yaml:"attest_key"`

	// Timeout bounds the run of one function of the file. Default: 1s.
	Timeout time.Duration `yaml:"timeout"`
}

// What the audit log keeps of a request.
const (
	WholeRequests   = "full"
	RequestExcerpts = "excerpt"
)

// Audit is the record of what was decided and signed.
type Audit struct {
	// File is the log that is appended to. Default: audit.log in the data
	// directory.
	File string `yaml:"file"`

	// MaxBytes is the size at which the file is put aside and a new one begun.
	// Default: 67108864.
	MaxBytes int64 `yaml:"max_bytes"`

	// Requests says what is kept of a request: full, so that it can be judged again
	// by another policy, or excerpt. Default: full.
	Requests string `yaml:"requests"`

	// CheckpointKey is the key that signs the head of the log: its address, or
	// VAULT/KEY. Default: none, and a truncated end is not found.
	CheckpointKey string `yaml:"checkpoint_key"`

	// CheckpointInterval is how often the head is signed while entries are
	// added. Default: 1m.
	CheckpointInterval time.Duration `yaml:"checkpoint_interval"`
}

// Listeners are the ways in.
type Listeners struct {
	IPC  IPC  `yaml:"ipc"`
	HTTP HTTP `yaml:"http"`
}

// IPC is the Unix socket, mode 0600.
type IPC struct {
	// Disabled turns the socket off. Default: false.
	Disabled bool `yaml:"disabled"`

	// Path is the socket if it ends in ".ipc"; otherwise, as in Clef, a folder,
	// and clef.ipc in it is the socket. Default: ~/.kvclef/kvclef.ipc.
	Path string `yaml:"path"`

	// SocketGroup is a group of the machine, by its name or its number, whose members
	// may use the socket too. Default: none, the user of the signer alone.
	SocketGroup string `yaml:"socket_group"`

	// Principals are the names of callers by the numbers of their users of the machine.
	// Others are called uid:NUMBER. Default: none, and without socket_group whoever may
	// use the socket is called local.
	Principals map[string]string `yaml:"principals"`

	// OnlyKnown refuses users who are not among the principals. Default: false.
	OnlyKnown bool `yaml:"only_known"`
}

// HTTP is the HTTP listener.
type HTTP struct {
	// Enabled turns the listener on. Default: false.
	Enabled bool `yaml:"enabled"`

	// Addr is the host name or IP address to listen on. Default: localhost.
	Addr string `yaml:"addr"`

	// Port is the TCP port to listen on; 0 is any free one. Default: 8550.
	Port uint16 `yaml:"port"`

	// VirtualHosts are the host names that requests may be sent to; "*" is any.
	// IP addresses always are. Default: localhost.
	VirtualHosts []string `yaml:"vhosts"`

	// Origins are the web origins whose pages may send requests, such as
	// "https://wallet.example". Default: none, and a request with an Origin
	// header is refused.
	Origins []string `yaml:"origins"`

	TLS TLS `yaml:"tls"`
	JWT JWT `yaml:"jwt"`
}

// TLS encrypts a listener. The files are read again when they change.
type TLS struct {
	// CertFile is a PEM file with the certificate and those that lead to its
	// authority. Default: none, the listener is in clear.
	CertFile string `yaml:"cert_file"`

	// KeyFile is a PEM file with the certificate's private key, which others can't
	// read. It goes with CertFile.
	KeyFile string `yaml:"key_file"`

	// ClientCAFile is a PEM file with the authorities of the callers' certificates.
	// With it a caller without one is not heard, and the certificate says who the
	// caller is. Default: none, callers are anonymous.
	ClientCAFile string `yaml:"client_ca_file"`

	// CallerName is the part of a caller's certificate that says who the caller is: dns,
	// uri, email, common_name or subject. Default: the first DNS name, else the first
	// URI, else the common name.
	CallerName string `yaml:"caller_name"`

	// MinVersion is the oldest version of TLS that is spoken, 1.2 or 1.3. Default:
	// 1.3.
	MinVersion string `yaml:"min_version"`
}

// Vault is an Azure Key Vault or a Managed HSM.
type Vault struct {
	// Name is what logs, rules and commands call the vault. Default: the first
	// label of the host in its URL.
	Name string `yaml:"name"`

	// URL is the vault's address, such as https://kv-prod.vault.azure.net or
	// https://hsm-prod.managedhsm.azure.net. Required.
	URL string `yaml:"url"`

	// Keys are the keys to use: "name" for all enabled versions of a key,
	// "name/version" for one. Default: all keys, which needs the right to list.
	Keys []string `yaml:"keys"`

	// IncludeManaged also takes the keys behind certificates. Default: false.
	IncludeManaged bool `yaml:"include_managed"`

	// HSM makes new keys in hardware, which needs a Premium vault. A Managed HSM
	// makes no others. Default: false.
	HSM bool `yaml:"hsm"`

	Credential Credential `yaml:"credential"`

	// CAFile holds PEM certificates to trust besides the system's, for a
	// network that inspects TLS. Default: none.
	CAFile string `yaml:"ca_file"`

	// RequestsPerSecond bounds what is sent to the vault. Default: what Azure
	// publishes for the kind of vault; negative is no bound.
	RequestsPerSecond float64 `yaml:"requests_per_second" given:"above 0, or negative for no bound"`

	// MaxInFlight bounds the requests under way at the same time. Default: 64.
	MaxInFlight int `yaml:"max_in_flight" given:"at least 1"`

	// MaxWaiting bounds the requests that wait for their turn. When as many do, the
	// caller with the most of them loses one. Default: 2048.
	MaxWaiting int `yaml:"max_waiting" given:"at least 1"`

	// TryTimeout bounds one try of a request. Default: 5s.
	TryTimeout time.Duration `yaml:"try_timeout" given:"above 0s"`

	// Timeout bounds a request with its retries. Default: 20s.
	Timeout time.Duration `yaml:"timeout" given:"above 0s"`

	// CustomEndpoint permits a host that is not one of Azure's. It turns the
	// check of the challenge's resource and the discovery of the identity
	// provider off: use it for a vault of your own alone. Default: false.
	CustomEndpoint bool `yaml:"custom_endpoint"`

	// Authority is the identity provider, such as
	// https://login.microsoftonline.com/. Default: the one of the vault's cloud.
	Authority string `yaml:"authority"`
}

// Credential is how kvclef proves itself to a vault. Secrets stand in files or
// environment variables, never in the configuration.
type Credential struct {
	// Kind is one of client-secret, client-certificate, workload-identity,
	// managed-identity, azure-cli, environment, default. Default: environment,
	// the AZURE_* variables.
	Kind string `yaml:"kind"`

	// TenantID and ClientID name the application. For a managed identity the
	// client id is needed only where the machine has several.
	TenantID string `yaml:"tenant_id"`
	ClientID string `yaml:"client_id"`

	// SecretFile is a file that holds the client secret, for client-secret.
	SecretFile string `yaml:"secret_file"`

	// SecretEnv is the name of an environment variable that holds it.
	SecretEnv string `yaml:"secret_env"`

	// CertificateFile is a PEM or PKCS#12 file with the certificate and its RSA
	// key, for client-certificate.
	CertificateFile string `yaml:"certificate_file"`

	// CertificatePasswordFile holds the password of a PKCS#12 file. Default: none.
	CertificatePasswordFile string `yaml:"certificate_password_file"`

	// TokenFile is the projected service account token, for workload-identity.
	// Default: the file named by AZURE_FEDERATED_TOKEN_FILE.
	TokenFile string `yaml:"token_file"`

	// AdditionallyAllowedTenants are tenants other than the application's own
	// that a vault may be in; "*" is any. Default: none.
	AdditionallyAllowedTenants []string `yaml:"additionally_allowed_tenants"`

	// Secret is the secret of an entry in hosted form. It has no key of its own.
	Secret keyvault.Secret `yaml:"-"`
}

// AccountNew lets callers make keys by account_new. It is off unless a vault
// is named.
type AccountNew struct {
	// Vault is the name of the vault to make keys in. Default: none, off.
	Vault string `yaml:"vault"`

	// Prefix starts the names of the keys made. Default: kvclef.
	Prefix string `yaml:"prefix"`
}

// Log is what is written to the standard error stream.
type Log struct {
	// Level is error, warn, info or debug, or Clef's number from 0 to 5.
	// Default: info.
	Level string `yaml:"level"`

	// Format is text for people or json for machines. Default: text.
	Format string `yaml:"format"`
}

// Limits bound what one request may cost.
type Limits struct {
	// BodyBytes is the size of a request. Default: 5242880.
	BodyBytes int64 `yaml:"body_bytes"`

	// Batch is the number of calls in one request. Default: 1000.
	Batch int `yaml:"batch"`

	// ResponseBytes is the size of the answer to a batch. Default: 25000000.
	ResponseBytes int `yaml:"response_bytes"`

	// RequestTimeout bounds the reading, answering and writing of a request.
	// Default: 30s.
	RequestTimeout time.Duration `yaml:"request_timeout"`

	// Callers bound what each caller may ask.
	Callers Callers `yaml:"callers"`

	// MaxWait is how long a request may wait for its turn at a vault; one that would
	// wait longer is told at once when to come back. Default: 10s.
	MaxWait time.Duration `yaml:"max_wait"`

	// SignTimeout bounds the work after an approval, which goes on when the
	// caller hangs up. Default: 25s.
	SignTimeout time.Duration `yaml:"sign_timeout"`

	// Repeat is how long an equal request gets the same signature, and costs no
	// request to the vault; 0s is never. Default: 10m.
	Repeat time.Duration `yaml:"repeat"`

	// ShutdownTimeout bounds how long requests under way are waited for at the
	// end. Default: 10s.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// Default returns the configuration that an empty file stands for.
func Default() *Config {
	return &Config{
		Rules: Rules{Timeout: time.Second},
		Audit: Audit{MaxBytes: 64 << 20, Requests: WholeRequests, CheckpointInterval: time.Minute},
		Listeners: Listeners{
			HTTP: HTTP{Addr: "localhost", Port: 8550, VirtualHosts: []string{"localhost"}},
		},
		Proxy:           defaultProxy(),
		Store:           defaultStore(),
		Approvals:       defaultApprovals(),
		AccountNew:      AccountNew{Prefix: "kvclef"},
		RefreshInterval: 5 * time.Minute,
		Log:             Log{Level: "info", Format: "text"},
		Limits: Limits{
			BodyBytes:       5 << 20,
			Batch:           1000,
			ResponseBytes:   25_000_000,
			RequestTimeout:  30 * time.Second,
			Callers:         defaultCallers(),
			MaxWait:         10 * time.Second,
			SignTimeout:     25 * time.Second,
			Repeat:          10 * time.Minute,
			ShutdownTimeout: 10 * time.Second,
		},
		Metrics: Metrics{Addr: "127.0.0.1", Port: 9545},
		Tracing: Tracing{Sample: 1},
	}
}
