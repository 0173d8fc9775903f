package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi"
)

// importReport says what became of what Clef keeps.
type importReport struct {
	From      string         `json:"from"`
	DataDir   string         `json:"datadir"`
	Config    string         `json:"config"`
	DryRun    bool           `json:"dry_run"`
	Carried   []importedItem `json:"carried_over"`
	Left      []importedItem `json:"not_carried_over"`
	NextSteps []string       `json:"next_steps"`
}

// importedItem is a part of what Clef keeps.
type importedItem struct {
	What   string `json:"what"`
	Detail string `json:"detail"`
}

func (plan *clefPlan) report(c *cli.Context) *importReport {
	r := &importReport{From: plan.from, DataDir: plan.dir, Config: plan.configPath, DryRun: plan.dry, Carried: []importedItem{}, Left: []importedItem{}}
	plan.reportState(r)
	plan.reportFiles(r)
	plan.reportAccounts(r)
	reportFlags(c, r)
	r.NextSteps = plan.nextSteps(c)
	return r
}

func (r *importReport) carried(what, format string, args ...any) {
	r.Carried = append(r.Carried, importedItem{what, fmt.Sprintf(format, args...)})
}

func (r *importReport) left(what, format string, args ...any) {
	r.Left = append(r.Left, importedItem{what, fmt.Sprintf(format, args...)})
}

func (plan *clefPlan) reportState(r *importReport) {
	ids := make([]string, len(plan.chains))
	for i, id := range plan.chains {
		ids[i] = fmt.Sprint(id)
	}
	r.carried("chain id", "%s", strings.Join(ids, ", "))
	if plan.attestation != nil {
		r.carried("attestation", "of %s, SHA-256 %x", plan.rules, plan.attestation.SHA256)
	} else {
		r.left("attestation", "%s", plan.unattested)
	}
	switch {
	case plan.wentOn:
		r.left("storage of the rule file", "it was on %s; WARNING: Clef has gone on since and keeps something else now, and a signer was started here: what each of the two signed, the "+
			"other does not count. Lower the limits of the rule file by it; give another --datadir to begin with what Clef has now", plan.before.Time.Format("2006-01-02T15:04:05Z"))
	case plan.before != nil:
		r.left("storage of the rule file", "it was on %s, %s; what is in it by now is the signer's, and left alone",
			plan.before.Time.Format("2006-01-02T15:04:05Z"), counted(plan.before.Values, "value"))
	case len(plan.values) == 0:
		r.left("storage of the rule file", "there is nothing in it")
	default:
		bytes := 0
		for name, value := range plan.values {
			bytes += len(name) + len(value)
		}
		shown := names(plan.values)
		more := ""
		if len(shown) > 5 {
			shown, more = shown[:5], " and more"
		}
		for i := range shown {
			shown[i] = fmt.Sprintf("%q", shorten(shown[i]))
		}
		if plan.replaced != nil {
			more += "; it takes the place of what was carried over before: Clef has gone on since, and no signer was started here"
		}
		r.carried("storage of the rule file", "%s, %d bytes: %s%s", counted(len(plan.values), "value"), bytes, strings.Join(shown, ", "), more)
	}
}

func (plan *clefPlan) reportFiles(r *importReport) {
	if plan.selectors != nil {
		r.carried("method selectors", "%s, copied to %s", plan.selectorsOf, filepath.Join(plan.dir, fourByteName))
	} else {
		r.left("method selectors", "no %s is in the directory; if Clef wrote one elsewhere (its default is its working directory), give --4bytedb-custom FILE", fourByteName)
	}
	if plan.configKept {
		r.left("settings", "%s is there already and left as it is; remove it, or give --config-out, to have a new one", plan.configPath)
	} else {
		r.carried("settings", "%s", plan.configPath)
	}
}

func (plan *clefPlan) reportAccounts(r *importReport) {
	if n := len(plan.passwords); n > 0 {
		r.left(counted(n, "password"), "of keystore accounts (%s): there are none here, a key in a vault has none. kvclef import key --configdir opens a keystore file with one",
			strings.Join(shownAddresses(plan.passwords), ", "))
	}
	for _, file := range plan.keys {
		switch {
		case file.Problem != "":
			r.left("file "+shorten(file.Name), "%s", file.Problem)
		case file.Address == (common.Address{}):
			r.left("account", "%s: a key is imported on demand alone, see below", file.Name)
		default:
			r.left("account "+file.Address.Hex(), "%s: a key is imported on demand alone, see below", file.Name)
		}
	}
}

func shownAddresses(addresses []common.Address) []string {
	const most = 5
	var shown []string
	for i, address := range addresses {
		if i == most {
			return append(shown, fmt.Sprintf("%d more", len(addresses)-most))
		}
		shown = append(shown, address.Hex())
	}
	return shown
}

// reportFlags says why flags of Clef have no place in the configuration.
func reportFlags(c *cli.Context, r *importReport) {
	if c.String("keystore") == "" {
		r.left("accounts", "keys stay in Clef's keystore; --keystore DIR lists them here, kvclef import key imports one")
	}
	for _, flag := range []struct{ name, why string }{
		{"advanced", "it signs what validation warns of; write advanced: true into the configuration if that is meant"},
		{"auditlog", "Clef's log is left where it is; the one here begins anew, chained by hashes, in the data directory"},
		{"stdio-ui", "an interface is started with kvclef serve --stdio-ui"},
		{"nousb", "there are no USB wallets"},
		{"pcscdpath", "there are no smart cards"},
		{"lightkdf", "there is no keystore"},
		{"suppress-bootwarn", "nothing is asked at the start"},
	} {
		if c.IsSet(flag.name) {
			r.left("--"+flag.name, "%s", flag.why)
		}
	}
}

// nextSteps are what is left to do, in order.
func (plan *clefPlan) nextSteps(c *cli.Context) []string {
	var steps []string
	step := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	if plan.dry {
		step("stop Clef, and give the command without --dry-run")
	}
	step("name the vault in %s, see docs/azure.md", plan.configPath)
	if file := plan.firstKey(c); file != "" {
		step("a key for each account: a new one, kvclef keys create NAME --config %s, to which you send what the old account holds; or the old one, which stays as exposed as it was, "+
			"kvclef import key --config %[1]s --name NAME --keystore %s", shellQuote(plan.configPath), file)
	}
	rulesFile := plan.rules
	if rulesFile == "" {
		rulesFile = "rules.js"
	}
	if plan.attestation == nil {
		step("read the rule file, then: kvclef rules attest --datadir %s %s", shellQuote(plan.dir), shellQuote(rulesFile))
	}
	if addr := c.String("http.addr"); c.Bool("http") && c.IsSet("http.addr") && !plan.configKept && !extapi.Loopback(net.JoinHostPort(addr, "0")) {
		step("give listeners.http in %s the addr 127.0.0.1, or a certificate (tls) and how callers prove who they are (tls.client_ca_file or jwt): "+
			"other machines can reach %s, and kvclef check and kvclef serve refuse that without", plan.configPath, addr)
	}
	step("see that all is well: kvclef check --config %s", shellQuote(plan.configPath))
	step("never start Clef again with these rules: each of the two would count alone what a limit allows")
	socket := ", geth --signer ~/.kvclef/kvclef.ipc"
	if c.IsSet("ipcpath") || c.IsSet("ipcdisable") || plan.configKept {
		socket = ""
	}
	step("kvclef serve --config %s, and give what it listens on to the node%s", shellQuote(plan.configPath), socket)
	return steps
}

// firstKey is what to give for a keystore file, "" if the keystore has none.
func (plan *clefPlan) firstKey(c *cli.Context) string {
	if c.String("keystore") == "" {
		return "FILE"
	}
	for _, file := range plan.keys {
		if file.Problem == "" {
			return shellQuote(filepath.Join(c.String("keystore"), file.Name))
		}
	}
	return ""
}

// String prints the report for people.
func (r *importReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From            %s\nData directory  %s\nConfiguration   %s\n", r.From, r.DataDir, r.Config)
	title := "Carried over"
	if r.DryRun {
		title = "Would be carried over"
	}
	section := func(title string, items []importedItem) {
		if len(items) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, item := range items {
			fmt.Fprintf(&b, "  %s: %s\n", item.What, item.Detail)
		}
	}
	section(title, r.Carried)
	section("Not carried over", r.Left)
	fmt.Fprintf(&b, "\nNext\n")
	for i, step := range r.NextSteps {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, step)
	}
	return b.String()
}
