package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// The categories of flags in the help.
const (
	categoryGeneral   = "General"
	categoryListeners = "Listeners"
	categoryVaults    = "Vaults"
	categoryRules     = "Rules and records"
	categoryNode      = "In front of a node"
	categoryDev       = "Development"
	categoryObserve   = "Metrics and traces"
)

// variablePrefix is how the variables of flags begin.
const variablePrefix = "KVCLEF_"

// envOf is the environment variable of a flag: KVCLEF_HTTP_PORT for http.port.
func envOf(name string) []string {
	return []string{variablePrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))}
}

func stringFlag(category, name, usage, defaultText string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, DefaultText: defaultText, EnvVars: envOf(name), Category: category}
}

func listFlag(category, name, usage, defaultText string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, DefaultText: defaultText, EnvVars: envOf(name), Category: category}
}

func boolFlag(category, name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, EnvVars: envOf(name), Category: category, DisableDefaultText: true}
}

func durationFlag(category, name, usage, defaultText string) cli.Flag {
	return &cli.DurationFlag{Name: name, Usage: usage, DefaultText: defaultText, EnvVars: envOf(name), Category: category}
}

// generalFlags are those of every command that reads the configuration.
func generalFlags() []cli.Flag {
	return append([]cli.Flag{
		stringFlag(categoryGeneral, "config", "YAML `FILE` with the configuration; flags and KVCLEF_* variables go before it", ""),
	}, logFlags()...)
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag(categoryGeneral, "loglevel", "how much to log: error, warn, info, debug, or Clef's `LEVEL` from 0 to 5", "info; error for commands that end by themselves, such as check and keys"),
		stringFlag(categoryGeneral, "log.format", "`FORMAT` of the log: text or json", "text"),
	}
}

// vaultFlags name vaults without a configuration file.
func vaultFlags() []cli.Flag {
	return []cli.Flag{
		listFlag(categoryVaults, "vault", "`VAULT` to use, in place of all of the configuration: a URL, or the name of one of them; may be repeated", ""),
		stringFlag(categoryVaults, "credential", "`KIND` of credential for a URL in --vault: "+strings.Join(config.CredentialKinds(), ", "), "environment, the AZURE_* variables"),
	}
}

// dataFlags name the data directory.
func dataFlags(defaultText string) []cli.Flag {
	return []cli.Flag{
		stringFlag(categoryGeneral, "datadir", "`FOLDER` of the durable state and the audit log, made by kvclef init", defaultText),
	}
}

// ruleFlags say what decides and where that is recorded.
func ruleFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag(categoryRules, "policy", "policy, a YAML `FILE`, which decides what is signed", "none; without a policy and a rule file nothing is signed"),
		stringFlag(categoryRules, "shadow", "policy `FILE` that judges beside what decides, and decides nothing: what differs is logged", "none"),
		stringFlag(categoryRules, "rules", "rule `FILE` as Clef has it, which decides what is signed", "none"),
		stringFlag(categoryRules, "rules.attest-key", "`ADDRESS` of the vault key that must have signed the attestations of policy and rule file", "none"),
		durationFlag(categoryRules, "rules.timeout", "`TIME` that a function of the rule file may take", "1s"),
		stringFlag(categoryRules, "auditlog", "`FILE` that records every decision and signature", "audit.log in --datadir"),
		&cli.Int64Flag{
			Name: "audit.max-bytes", Usage: "`BYTES` after which the audit log is put aside and a new file begun", DefaultText: "67108864",
			EnvVars: envOf("audit.max-bytes"), Category: categoryRules, Base: 10,
		},
		stringFlag(categoryRules, "audit.requests", "`WHAT` the audit log keeps of a request: full or excerpt", "full"),
		stringFlag(categoryRules, "audit.checkpoint-key", "`KEY` that signs the head of the audit log: an address, or VAULT/KEY", "none"),
		approvalsSocketFlag(),
		durationFlag(categoryRules, "audit.checkpoint-interval", "`TIME` between two such signatures while the log grows", "1m"),
	}
}

// signerFlags are Clef's own, with Clef's meaning, and a few more.
func signerFlags(ipcPath string) []cli.Flag {
	return []cli.Flag{
		listFlag(categoryGeneral, "chainid", "chain `ID` to sign for; several with commas: 1,10", ""),
		stringFlag(categoryGeneral, "configdir", "`FOLDER` of the IPC socket clef.ipc", ""),
		boolFlag(categoryGeneral, "advanced", "sign transactions that validation warns of"),
		stringFlag(categoryGeneral, "4bytedb-custom", "JSON `FILE` of additional method selectors; only read", ""),
		boolFlag(categoryGeneral, "suppress-bootwarn", "no effect; nothing is asked at the start"),
		coreDumpsFlag(),
		durationFlag(categoryVaults, "refresh", "`TIME` after which the vaults' keys are read again, 0s for never", "5m"),
		durationFlag(categoryGeneral, "repeat", "`TIME` for which an equal request gets the same signature, 0s for never", "10m"),
		stringFlag(categoryListeners, "ipcpath", "`PATH` of the IPC socket if it ends in .ipc, otherwise the folder of clef.ipc", ipcPath),
		boolFlag(categoryListeners, "ipcdisable", "no IPC socket"),
		boolFlag(categoryListeners, "http", "listen on HTTP"),
		stringFlag(categoryListeners, "http.addr", "`HOST` to listen on", "localhost"),
		&cli.IntFlag{
			Name: "http.port", Usage: "TCP `PORT` to listen on, 0 for any", DefaultText: "8550",
			EnvVars: envOf("http.port"), Category: categoryListeners,
		},
		listFlag(categoryListeners, "http.vhosts", "host `NAMES` that requests may be sent to, * for any", "localhost"),
		listFlag(categoryListeners, "http.origins", "web `ORIGINS` that may send requests", "none"),
		stringFlag(categoryListeners, "http.tls.cert", "PEM `FILE` with the certificate of the HTTP listener", "none, HTTP is in clear"),
		stringFlag(categoryListeners, "http.tls.key", "PEM `FILE` with its private key, which others can't read", ""),
		stringFlag(categoryListeners, "http.tls.clientca", "PEM `FILE` with the authorities of callers' certificates, which say who they are", "none, callers are anonymous"),
		stringFlag(categoryListeners, "http.jwtsecret", "`FILE` with 64 hexadecimal digits, as geth's --authrpc.jwtsecret: callers send tokens that are signed with it", "none, callers need no token"),
	}
}

// proxyFlags are about the node that the signer stands in front of.
func proxyFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag(categoryNode, "node", "`ENDPOINT` of the node: a URL (http, https, ws, wss) or the path of its socket", ""),
		stringFlag(categoryNode, "node.file", "`FILE` that holds the endpoint, for one with a secret in it", ""),
		stringFlag(categoryNode, "node.ws", "`URL` (ws, wss) of the same node for subscriptions, where --node is http", "none: no subscriptions"),
		stringFlag(categoryNode, "node.headers-file", "`FILE` of headers for requests to the node, NAME: VALUE on each line", "none"),
		stringFlag(categoryNode, "proxy.addr", "`HOST` to listen on for applications", "localhost"),
		&cli.IntFlag{
			Name: "proxy.port", Usage: "TCP `PORT` to listen on for applications, 0 for any", DefaultText: "8555",
			EnvVars: envOf("proxy.port"), Category: categoryNode,
		},
		listFlag(categoryNode, "proxy.vhosts", "host `NAMES` that applications may send requests to, * for any", "localhost"),
		listFlag(categoryNode, "proxy.origins", "web `ORIGINS` whose pages may send requests", "none"),
		stringFlag(categoryNode, "proxy.tls.cert", "PEM `FILE` with the certificate of the listener for applications", "none, it is in clear"),
		stringFlag(categoryNode, "proxy.tls.key", "PEM `FILE` with its private key, which others can't read", ""),
		stringFlag(categoryNode, "proxy.tls.clientca", "PEM `FILE` with the authorities of applications' certificates, which say who they are", "none, callers are anonymous"),
		stringFlag(categoryNode, "proxy.jwtsecret", "`FILE` with 64 hexadecimal digits, as geth's --authrpc.jwtsecret: applications send tokens that are signed with it", "none, callers need no token"),
		listFlag(categoryNode, "proxy.allow", "`METHODS` of the node to pass on that are not by default, such as debug_*", "none"),
		listFlag(categoryNode, "proxy.deny", "`METHODS` of the node not to pass on", "none"),
		stringFlag(categoryNode, "proxy.hosting-key", "`FILE` with the key that seals the services which are managed over the admin socket", "none: no such services"),
		stringFlag(categoryNode, "proxy.other-accounts", "`WHAT` becomes of requests to sign with accounts of no vault: refuse or forward", "refuse"),
	}
}
