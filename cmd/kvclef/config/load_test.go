package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const full = `
chainids: [1, 10]
configdir: /etc/clef
advanced: true
fourbyte_file: selectors.json
datadir: /var/lib/kvclef
store: {postgres: {schema: signers, max_connections: 8, timeout: 3s}}
replica: signer-a
rules: {policy: policy.yaml, shadow: next.yaml, file: rules.js, attest_key: 0x7156526fbD7a3C72969B54f64e42c10fbb768C8a, timeout: 2s}
audit: {file: /var/log/kvclef/audit.log, max_bytes: 1000000, requests: excerpt, checkpoint_key: prod/audit, checkpoint_interval: 30s}
listeners:
  ipc: {disabled: true, path: /run/kvclef, socket_group: callers, principals: {1000: batcher}, only_known: true}
  http: {enabled: true, addr: 127.0.0.1, port: 8551, vhosts: [signer], origins: ["https://wallet.example"], tls: {cert_file: server.crt, key_file: server.key, client_ca_file: clients.crt, caller_name: uri, min_version: 1.2}, jwt: {secret_file: jwt.hex, secret_principal: consensus, issuer: "https://issuer.example", audience: signer, jwks_url: "https://issuer.example/keys", principal_claim: azp, algorithms: [ES256]}}
proxy:
  node: http://localhost:8545
  node_ws: ws://localhost:8546
  node_headers_file: headers
  node_timeout: 8s
  addr: 127.0.0.1
  port: 8552
  vhosts: [proxy]
  origins: ["https://app.example"]
  tls: {cert_file: proxy.crt, key_file: proxy.key, client_ca_file: apps.crt, min_version: 1.2}
  allow: [debug_*]
  deny: [txpool_*]
  other_accounts: forward
  hosting_key_file: hosting.key
  gas_margin: 1.5
  tx_fee_cap: 2.5
  poll_interval: 3s
  confirmations: 64
  retain: 24h
approvals:
  people: {alice: {principals: [alice-laptop], oidc: alice@example.com}}
  default: {threshold: 1, of: [alice], requester: included, expires: 2h, wait: 5s}
  remember: 1m
  keep: 24h
  max_open: 10
  max_open_per_caller: 5
  socket: /run/kvclef/approvals.sock
  socket_group: approvers
  console:
    enabled: true
    addr: 0.0.0.0
    port: 8443
    url: https://approvals.example.com
    tls: {cert_file: console.crt, key_file: console.key, min_version: 1.2}
    oidc: {issuer: https://login.example, client_id: console, client_secret_file: oidc.secret, groups_claim: roles, group: signers}
  webhooks: [{url: https://hooks.example/x, secret_file: hook.secret, template: slack, events: [opened]}]
vaults:
  - name: prod
    url: https://kv-prod.vault.azure.net
    keys: [treasury, hot/0123456789abcdef0123456789abcdef]
    include_managed: true
    hsm: true
    credential: {kind: client-secret, tenant_id: t, client_id: c, secret_env: PROD_SECRET, additionally_allowed_tenants: ["*"]}
    ca_file: ca.pem
    requests_per_second: 12.5
    max_in_flight: 7
    max_waiting: 8
    try_timeout: 2s
    timeout: 9s
  - url: https://hsm.example:8443
    custom_endpoint: true
    authority: https://login.example/
account_new: {vault: prod, prefix: app}
refresh_interval: 90s
log: {level: debug, format: json}
limits: {body_bytes: 1, batch: 2, response_bytes: 3, request_timeout: 4s, callers: {default: {rate: 9/s, burst: 10, in_flight: 11, weight: 12}, principals: {batcher: {rate: 1/h}}}, max_wait: 8s, sign_timeout: 5s, repeat: 7s, shutdown_timeout: 6s}
metrics: {enabled: true, addr: 10.0.0.1, port: 9000, plain: true, tls: {cert_file: metrics.crt, key_file: metrics.key, client_ca_file: readers.crt, min_version: "1.2"}}
tracing: {endpoint: "https://otel.example", sample: 0.25, headers_file: otel.headers}
`

func TestParse(t *testing.T) {
	cfg, err := Parse("kvclef.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := `{ChainIDs:[1 10] ConfigDir:/etc/clef Advanced:true FourByteFile:selectors.json ` +
		`DataDir:/var/lib/kvclef Store:{Postgres:{DSN: DSNFile: Schema:signers MaxConnections:8 Timeout:3s}} Replica:signer-a Rules:{Policy:policy.yaml Shadow:next.yaml File:rules.js AttestKey:0x7156526fbD7a3C72969B54f64e42c10fbb768C8a Timeout:2s} ` +
		`Audit:{File:/var/log/kvclef/audit.log MaxBytes:1000000 Requests:excerpt CheckpointKey:prod/audit CheckpointInterval:30s} ` +
		`Listeners:{IPC:{Disabled:true Path:/run/kvclef SocketGroup:callers Principals:map[1000:batcher] OnlyKnown:true} HTTP:{Enabled:true Addr:127.0.0.1 Port:8551 VirtualHosts:[signer] Origins:[https://wallet.example] ` +
		`TLS:{CertFile:server.crt KeyFile:server.key ClientCAFile:clients.crt CallerName:uri MinVersion:1.2} JWT:{SecretFile:jwt.hex SecretPrincipal:consensus Issuer:https://issuer.example Audience:signer ` +
		`JWKSURL:https://issuer.example/keys PrincipalClaim:azp Algorithms:[ES256]}}} ` +
		`Proxy:{Node:http://localhost:8545 NodeFile: NodeWS:ws://localhost:8546 NodeHeadersFile:headers NodeTimeout:8s Addr:127.0.0.1 Port:8552 VirtualHosts:[proxy] ` +
		`Origins:[https://app.example] TLS:{CertFile:proxy.crt KeyFile:proxy.key ClientCAFile:apps.crt CallerName: MinVersion:1.2} JWT:{SecretFile: SecretPrincipal: Issuer: Audience: JWKSURL: PrincipalClaim: Algorithms:[]} Allow:[debug_*] Deny:[txpool_*] OtherAccounts:forward HostingKeyFile:hosting.key GasMargin:1.5 TxFeeCap:2.5 PollInterval:3s Confirmations:64 Retain:24h0m0s} ` +
		`Approvals:{People:map[alice:{UID:<nil> Principals:[alice-laptop] OIDC:alice@example.com}] ` +
		`Default:{Threshold:1 Of:[alice] Requester:included Expires:2h0m0s Wait:5s} Remember:1m0s Keep:24h0m0s MaxOpen:10 MaxOpenPerCaller:5 ` +
		`Socket:/run/kvclef/approvals.sock SocketGroup:approvers Console:{Enabled:true Addr:0.0.0.0 Port:8443 URL:https://approvals.example.com ` +
		`TLS:{CertFile:console.crt KeyFile:console.key MinVersion:1.2} OIDC:{Issuer:https://login.example ClientID:console ClientSecretFile:oidc.secret GroupsClaim:roles Group:signers}} ` +
		`Webhooks:[{URL:https://hooks.example/x SecretFile:hook.secret Template:slack Events:[opened]}]} ` +
		`Vaults:[{Name:prod URL:https://kv-prod.vault.azure.net Keys:[treasury hot/0123456789abcdef0123456789abcdef] IncludeManaged:true HSM:true ` +
		`Credential:{Kind:client-secret TenantID:t ClientID:c SecretFile: SecretEnv:PROD_SECRET CertificateFile: CertificatePasswordFile: TokenFile: AdditionallyAllowedTenants:[*] Secret:[redacted]} ` +
		`CAFile:ca.pem RequestsPerSecond:12.5 MaxInFlight:7 MaxWaiting:8 TryTimeout:2s Timeout:9s CustomEndpoint:false Authority:} ` +
		`{Name:hsm URL:https://hsm.example:8443 Keys:[] IncludeManaged:false HSM:false ` +
		`Credential:{Kind:environment TenantID: ClientID: SecretFile: SecretEnv: CertificateFile: CertificatePasswordFile: TokenFile: AdditionallyAllowedTenants:[] Secret:[redacted]} ` +
		`CAFile: RequestsPerSecond:0 MaxInFlight:0 MaxWaiting:0 TryTimeout:0s Timeout:0s CustomEndpoint:true Authority:https://login.example/}] ` +
		`AccountNew:{Vault:prod Prefix:app} RefreshInterval:1m30s Log:{Level:debug Format:json} ` +
		`Limits:{BodyBytes:1 Batch:2 ResponseBytes:3 RequestTimeout:4s Callers:{Default:{Rate:9/s Burst:10 InFlight:11 Weight:12} Principals:map[batcher:{Rate:1/h Burst:1 InFlight:11 Weight:12}]} MaxWait:8s SignTimeout:5s Repeat:7s ShutdownTimeout:6s} Metrics:{Enabled:true Addr:10.0.0.1 Port:9000 TLS:{CertFile:metrics.crt KeyFile:metrics.key ClientCAFile:readers.crt MinVersion:1.2} Plain:true} Tracing:{Endpoint:https://otel.example Sample:0.25 HeadersFile:otel.headers} Place: Unchosen:[]}`
	if got := fmt.Sprintf("%+v", *cfg); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseKeepsDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "listeners:\n", "listeners:\n  http:\n    enabled: false\n"} {
		cfg, err := Parse("kvclef.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if cfg.Listeners.HTTP.Port != 8550 || cfg.Limits.SignTimeout != 25*time.Second || cfg.Limits.Repeat != 10*time.Minute || cfg.Log.Level != "info" {
			t.Errorf("%q: lost a default: %+v", text, cfg)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "chainids: [1]\nvault: []\n", `kvclef.yaml:2: unknown key "vault"; did you mean vaults`},
		{"unknown key inside", "listeners:\n  http:\n    prot: 1\n", `kvclef.yaml:3: unknown key "listeners.http.prot"; did you mean port`},
		{"policy left empty", "rules: {policy: }", "kvclef.yaml:1: rules.policy: no policy; remove the line"},
		{"attest key left empty", "rules:\n  attest_key: \"\"", `kvclef.yaml:2: rules.attest_key: no key; remove the line`},
		{"attest key of nothing", "rules: {file: r.js, attest_key: }", "kvclef.yaml:1: rules.attest_key: no key"},
		{"TLS left empty", "listeners:\n  http:\n    tls:\n", "kvclef.yaml:3: listeners.http.tls: no certificate and key; remove the line"},
		{"certificate left empty", "listeners: {http: {tls: {cert_file: ''}}}", "kvclef.yaml:1: listeners.http.tls.cert_file: no certificate and key"},
		{"TLS key left empty", "listeners: {http: {tls: {cert_file: a, key_file: ~}}}", "kvclef.yaml:1: listeners.http.tls.key_file: no certificate and key"},
		{"proxy's TLS left empty", "proxy:\n  tls:\n", "kvclef.yaml:2: proxy.tls: no certificate and key; remove the line"},
		{"proxy's certificate left empty", "proxy: {tls: {cert_file: ''}}", "kvclef.yaml:1: proxy.tls.cert_file: no certificate and key"},
		{"proxy's key left empty", "proxy: {tls: {cert_file: a, key_file: ~}}", "kvclef.yaml:1: proxy.tls.key_file: no certificate and key"},
		{"proxy's client CA left empty", "proxy: {tls: {client_ca_file: ''}}", "kvclef.yaml:1: proxy.tls.client_ca_file: no authority; remove the line to do without, or give one"},
		{"client CA left empty", "listeners: {http: {tls: {client_ca_file: ''}}}", "kvclef.yaml:1: listeners.http.tls.client_ca_file: no authority; remove the line to do without, or give one"},
		{"checkpoint key of nothing", "audit: {checkpoint_key: ~}", "kvclef.yaml:1: audit.checkpoint_key: no key"},
		{"unknown key without a near one", "frobnicate: x\n", `kvclef.yaml:1: unknown key "frobnicate"`},
		{"other case", "ChainIDs: [1]\n", `kvclef.yaml:1: unknown key "ChainIDs"; did you mean chainids`},
		{"key in a list", "vaults:\n  - url: https://a.vault.azure.net\n    key: [a]\n", `kvclef.yaml:3: unknown key "vaults[0].key"; did you mean keys`},
		{"secret inline", "vaults:\n  - url: x\n    credential:\n      secret: hunter2\n", `kvclef.yaml:4: unknown key "vaults[0].credential.secret": give secret_file or secret_env, which name where it is`},
		{"duplicate", "log: {level: info}\nchainids: [1]\nlog: {level: warn}\n", `kvclef.yaml:3: duplicate key "log", first on line 1: remove one`},
		{"second document", "chainids: [1]\n---\nchainids: [2]\n", `kvclef.yaml:2: a second document; put everything into one`},
		{"syntax", "chainids: [1\nlog: x\n", `kvclef.yaml:2: did not find expected ',' or ']'`},
		{"syntax of keys", "chainids: [1]\n\n  log: x\n", `kvclef.yaml:3: did not find expected key`},
		{"syntax of a scalar", "a: 1\nb: 'open\n", `kvclef.yaml:2: found unexpected end of stream`},
		{"syntax of a tab", "log:\n\tlevel: info\n", `kvclef.yaml:2: found character that cannot start any token; indent with spaces, not with tabs`},
		{"not a mapping", "- 1\n", `kvclef.yaml:1: document: want keys and values, not a list`},
		{"scalar for section", "listeners: yes\n", `kvclef.yaml:1: listeners: want keys and values, not a single value`},
		{"scalar for list", "vaults: prod\n", `kvclef.yaml:1: vaults: want a list, not a single value`},
		{"list for scalar", "log:\n  level: [info]\n", `kvclef.yaml:2: log.level: want text, not a list`},
		{"text for number", "chainids: [main]\n", `kvclef.yaml:1: chainids[0]: want a whole number, not "main"`},
		{"negative chain", "chainids: [-1]\n", `kvclef.yaml:1: chainids[0]: want a whole number, not "-1"`},
		{"octal chain", "chainids: [010]\n", `kvclef.yaml:1: chainids[0]: want a whole number, not "010"`},
		{"hexadecimal chain", "chainids: [0x1]\n", `kvclef.yaml:1: chainids[0]: want a whole number, not "0x1"`},
		{"port too big", "listeners: {http: {port: 70000}}\n", `kvclef.yaml:1: listeners.http.port: want a whole number from 0 to 65535, not "70000"`},
		{"text for bool", "advanced: maybe\n", `kvclef.yaml:1: advanced: want true or false, not "maybe"`},
		{"number for duration", "refresh_interval: 30\n", `kvclef.yaml:1: refresh_interval: want a duration such as 30s, not "30"`},
		{"alias", "listeners:\n  http: &h {port: 1}\n  ipc: *h\n", `kvclef.yaml:2: listeners.http: anchors and aliases are not supported; write the value out`},
		{"merge key", "log:\n  <<: {level: info}\n", `kvclef.yaml:2: unknown key "log.<<"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("kvclef.yaml", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	vault := func(rest string) string { return "vaults:\n  - url: https://kv.vault.azure.net\n" + rest }
	for _, tt := range []struct{ name, text, want string }{
		{"chain 0", "chainids: [0]", "chainids: 0 is no chain id"},
		{"chain twice", "chainids: [5, 5]", "chainids: 5 is given twice"},
		{"no url", "vaults:\n  - name: a", "vaults[0].url is missing"},
		{"name twice", vault("  - url: https://kv.vault.azure.cn"), `vaults[1].name: "kv" is given twice`},
		{"credential", vault("    credential: {kind: managed}"), `vaults[0].credential.kind: "managed" is not one of environment, client-secret`},
		{"credential near", vault("    credential: {kind: client-secrt}"), `did you mean client-secret`},
		{"in flight", vault("    max_in_flight: -1"), "vaults[0]: max_in_flight, max_waiting, try_timeout and timeout must be above 0"},
		{"account_new", vault("account_new: {vault: kw}"), `account_new.vault: no vault is called "kw"; did you mean kv`},
		{"format", "log: {format: xml}", `log.format: "xml" is neither text nor json`},
		{"level", "log: {level: loud}", `log.level: "loud" is none of error`},
		{"limit", "limits: {batch: 0}", "limits: body_bytes, batch and response_bytes must be above 0"},
		{"timeout", "limits: {sign_timeout: 0s}", "limits: request_timeout, sign_timeout and shutdown_timeout must be above 0s"},
		{"repeat for long", "limits: {repeat: 25h}", "limits.repeat: 25h0m0s is not from 0s, for never, to 24h0m0s"},
		{"repeat for less than no time", "limits: {repeat: -1s}", "limits.repeat: -1s is not from 0s, for never, to 24h0m0s"},
		{"policy of JavaScript", "rules: {policy: rules.js}", `rules.policy: "rules.js" is no policy, whose name ends in .yaml or .yml`},
		{"rule file of YAML", "rules: {file: policy.YML}", `rules.file: "policy.YML" has the name of a policy`},
		{"attest key", "rules: {attest_key: treasury}", `rules.attest_key: "treasury" is not an address`},
		{"attest key without 0x", "rules: {attest_key: 7156526fbd7a3c72969b54f64e42c10fbb768c8a}", "is not an address"},
		{"attest key mistyped", "rules: {attest_key: 0x7156526fbD7a3C72969B54f64e42c10fbb768C8b}", "is not an address"},
		{"rule timeout", "rules: {timeout: 0s}", "rules.timeout: 0s; it must be above 0s"},
		{"long rule timeout", "rules: {timeout: 5s}", "rules.timeout: 5s; it must be above 0s and at most 4s"},
		{"small log", "audit: {max_bytes: 10}", "audit.max_bytes: 10; it must be at least 16384"},
		{"other requests", "audit: {requests: none}", `audit.requests: "none"; it must be full or excerpt`},
		{"checkpoint interval", "audit: {checkpoint_interval: -1m}", "audit.checkpoint_interval: -1m0s; it must be above 0s"},
		{"checkpoint key", "audit: {checkpoint_key: treasury}", `audit.checkpoint_key: "treasury" is neither an address nor VAULT/KEY`},
		{"checkpoint vault", "audit: {checkpoint_key: prod/}", "is neither an address nor VAULT/KEY"},
		{"refresh", "refresh_interval: -1s", "refresh_interval can't be negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Parse("kvclef.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLoadRefusesASecretThatOthersCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kvclef.yaml")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	const hosted = "vaults:\n  - {provider: azure, user_id: u, user_secret: hunter2, tenant_id: t, vault_name: kv}\n"
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o777} {
		write(hosted, mode)
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), "run chmod 600") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("mode %#o: got %v, want a refusal that says what to do and shows no secret", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		write(hosted, mode)
		if _, err := Load(path); err != nil {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	write("vaults:\n  - url: https://kv.vault.azure.net\n", 0o644)
	if _, err := Load(path); err != nil {
		t.Errorf("a file without a secret: %v", err)
	}
}

func TestLoadBoundsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kvclef.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxSize+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "has more than") {
		t.Errorf("got %v, want a refusal of the size", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("vaults:\n  - {provider: azure, user_id: u, user_secret: s, tenant_id: t, vault_name: kv}\n"))
	f.Add([]byte(`{"vaults":[{"type":"cloudhsm","name":"n","membership_id":"m","details":{"provider":"azure"}}]}`))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [x]\n: y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("f", data)
		misread := (*MisreadError)(nil)
		if (cfg != nil) != (err == nil || errors.As(err, &misread)) {
			t.Fatalf("configuration %v with error %v", cfg, err)
		}
		if cfg != nil {
			_ = cfg.Validate() // must not panic
		}
	})
}
