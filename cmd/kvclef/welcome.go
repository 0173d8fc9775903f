package main

import (
	"fmt"
	"strings"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// welcome prints what a developer needs next: the accounts, where the signer
// listens, and lines to paste.
func (p *program) welcome(open addresses, accounts []rules.Account, cfg *config.Config, dataDir string, approveAll bool) error {
	chain := cfg.ChainIDs[0]
	var b strings.Builder
	for _, account := range accounts {
		fmt.Fprintf(&b, "Account  %s  (vault %s, key %s)\n", account.Address, account.Vault, account.Key)
	}
	fmt.Fprintf(&b, "Chain    %d\n", chain)
	endpoint := open.ipc
	if open.http != "" {
		endpoint = open.httpURL()
	}
	if open.ipc != "" {
		fmt.Fprintf(&b, "IPC      %s\n", open.ipc)
		endpoint = open.ipc
	}
	if open.http != "" {
		fmt.Fprintf(&b, "HTTP     %s\n", open.httpURL())
	}
	if open.proxy != "" {
		fmt.Fprintf(&b, "Proxy    %s\n", open.proxyURL())
	}
	if open.metrics != "" {
		fmt.Fprintf(&b, "Metrics  http://%s/metrics\n", open.metrics)
	}
	fmt.Fprintf(&b, "State    %s\n", dataDir)
	if cfg.Rules.Policy != "" {
		fmt.Fprintf(&b, "Policy   %s\n", cfg.Rules.Policy)
	}
	if cfg.Rules.File != "" {
		fmt.Fprintf(&b, "Rules    %s\n", cfg.Rules.File)
	}
	asks := cfg.Approvals.Default.Quorum() != nil
	if cfg.Approvals.Enabled() {
		fmt.Fprintf(&b, "Tickets  kvclef approvals list%s\n", socketFlag(cfg, dataDir))
	}
	if cfg.Rules.Policy+cfg.Rules.File == "" && !approveAll && !asks {
		fmt.Fprintf(&b, "\nNothing is signed: add --approve-all, --policy FILE or --rules FILE.\n")
	}
	if endpoint != "" {
		b.WriteString(welcomeClient(open, accounts, chain, endpoint))
	}
	if open.proxy != "" && len(accounts) > 0 {
		fmt.Fprintf(&b, "\nThrough the node, once the account has ether:\n  curl -s%[2]s -H 'Content-Type: application/json' -d "+
			"'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendTransaction\",\"params\":[{\"from\":\"%[1]s\",\"to\":\"%[1]s\",\"value\":\"0x1\"}]}' %[3]s\n",
			accounts[0].Address, curlFlags(open.proxyTLS)+curlToken(open.proxyToken), open.proxyURL())
	}
	return p.printf("%s\n", b.String())
}

// socketFlag is what kvclef approvals needs to find the signer.
func socketFlag(cfg *config.Config, dataDir string) string {
	if cfg.Approvals.Socket != "" {
		return " --approvals.socket " + shellQuote(cfg.Approvals.Socket)
	}
	return " --datadir " + shellQuote(dataDir)
}

// curlFlags returns what curl needs to know of a listener's TLS.
func curlFlags(cfg config.TLS) string {
	flags := ""
	if cfg.CertFile != "" {
		flags += " --cacert AUTHORITY.pem"
	}
	if cfg.ClientCAFile != "" {
		flags += " --cert CLIENT.pem --key CLIENT.key"
	}
	return flags
}

// curlToken returns where a token of a caller stands, which is made of a secret that is
// not shown.
func curlToken(wanted bool) string {
	if !wanted {
		return ""
	}
	return ` -H "Authorization: Bearer $TOKEN"`
}

// welcomeClient are lines for those who connect to the signer itself.
func welcomeClient(open addresses, accounts []rules.Account, chain uint64, endpoint string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nA node, in a folder that geth init has made for this chain (docs/geth.md; make demo does it all):\n  geth --datadir DIR --networkid %d --signer %s\n", chain, shellQuote(endpoint))
	if open.http != "" {
		fmt.Fprintf(&b, "\nA request:\n  curl -s%s%s -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"account_list\"}' %s\n", curlFlags(open.tls), curlToken(open.token), open.httpURL())
	}
	fmt.Fprintf(&b, "\nGo, with go-ethereum's accounts/external and accounts/abi/bind:\n"+
		"  signer, err := external.NewExternalSigner(%q)\n", endpoint)
	if len(accounts) > 0 {
		fmt.Fprintf(&b, "  opts := bind.NewClefTransactor(signer, accounts.Account{Address: common.HexToAddress(%q)})\n", accounts[0].Address)
	}
	return b.String()
}

// shellQuote quotes a path for a POSIX shell where it needs it.
func shellQuote(text string) string {
	if strings.ContainsAny(text, " '\"$`\\!*?[]{}()<>|&;~#\t\n") {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}
