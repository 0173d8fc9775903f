package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/clefdir"
)

// fourByteName is what Clef calls the file of method selectors.
const fourByteName = "4byte-custom.json"

func (p *program) importClefCommand() *cli.Command {
	return &cli.Command{
		Name:      "clef",
		Usage:     "make a data directory of what Clef keeps",
		UsageText: "kvclef import clef --configdir DIR --chainid ID [--rules FILE] [--keystore DIR] [--datadir DIR] [--dry-run] [--json] [Clef's flags]",
		Description: examples(
			"what would be carried over", "kvclef import clef --configdir ~/.clef --chainid 1 --rules rules.js --dry-run",
			"the same, done", "kvclef import clef --configdir ~/.clef --chainid 1 --rules rules.js --datadir /var/lib/kvclef",
		) + "\n\nThe password of the master seed is asked. Carried over are the attestation of the rule file, what the rule" +
			"\nfile keeps, method selectors, and settings, as a configuration file; the report says what is not, and why." +
			"\nKeys are not: see kvclef import key. The flags are Clef's: add the command to Clef's own command line." +
			"\nStop Clef first. Nothing in its folders is changed, and the command may be given again.",
		Flags:  slices.Concat(dataFlags("~/.kvclef"), importClefFlags(), clefsFlags()),
		Action: action(p.importClef),
	}
}

func importClefFlags() []cli.Flag {
	return []cli.Flag{
		passwordFlag(),
		&cli.StringFlag{Name: "config-out", Usage: "`FILE` of the configuration to write", DefaultText: "kvclef.yaml in --datadir"},
		&cli.BoolFlag{Name: "dry-run", Usage: "report alone: nothing is written", DisableDefaultText: true},
		coreDumpsFlag(), jsonFlag(),
	}
}

// clefsFlags are those that Clef 1.17.3 has for a signer, without our variables:
// they say what Clef was started with.
func clefsFlags() []cli.Flag {
	const category = "Clef's"
	text := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Category: category}
	}
	yes := func(name, usage string) cli.Flag {
		return &cli.BoolFlag{Name: name, Usage: usage, Category: category, DisableDefaultText: true}
	}
	return []cli.Flag{
		text("configdir", "Clef's configuration `FOLDER`"),
		text("signersecret", "`FILE` of the master seed, where it is not in --configdir"),
		&cli.StringSliceFlag{Name: "chainid", Usage: "chain `ID` that Clef signed for; its default was 1, here it is asked", Category: category},
		text("rules", "rule `FILE`; the attestation is carried over if it is the file that was attested"),
		text("4bytedb-custom", "JSON `FILE` of additional method selectors"),
		text("keystore", "`FOLDER` of keystore files, to list in the report; no key is imported"),
		text("loglevel", "how much to log"),
		yes("http", "listen on HTTP"),
		text("http.addr", "`HOST` to listen on"),
		&cli.IntFlag{Name: "http.port", Usage: "TCP `PORT` to listen on", Category: category, DefaultText: "8550"},
		&cli.StringSliceFlag{Name: "http.vhosts", Usage: "host `NAMES` that requests may be sent to", Category: category},
		yes("ipcdisable", "no IPC socket"),
		text("ipcpath", "`FOLDER` of the IPC socket"),
		text("auditlog", "`FILE` of Clef's audit log; not carried over"),
		text("pcscdpath", "not carried over"),
		yes("advanced", "not carried over"),
		yes("lightkdf", "not carried over"),
		yes("nousb", "not carried over"),
		yes("stdio-ui", "not carried over"),
		yes("suppress-bootwarn", "not carried over"),
	}
}

func (p *program) importClef(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	if c.String("configdir") == "" {
		return usagef("import clef: --configdir is missing: give Clef's configuration folder, whose default is ~/.clef (on macOS ~/Library/Signer)")
	}
	if err := keepMemory(c); err != nil {
		return err
	}
	plan := &clefPlan{dry: c.Bool("dry-run")}
	if err := p.readClef(c, plan); err != nil {
		return err
	}
	if err := p.planClef(c, plan); err != nil {
		return err
	}
	if !plan.dry {
		if err := plan.apply(c.Context); err != nil {
			return err
		}
	}
	if plan.wentOn {
		p.sayf("kvclef: warning: Clef has gone on since the import of %s: what it signed counts in no limit here", plan.before.Time.Format("2006-01-02T15:04:05Z"))
	}
	report := plan.report(c)
	if c.Bool("json") {
		return p.printJSON(report)
	}
	return p.printf("%s", report)
}

// readClef reads everything that Clef keeps into the plan, and forgets the
// master seed.
func (p *program) readClef(c *cli.Context, plan *clefPlan) error {
	return p.withClefVault(c, func(dir *clefdir.Dir, vault *clefdir.Vault) (err error) {
		plan.from, plan.vault = dir.Path(), vault.Path()
		if at := clefAnswers(c, dir); at != "" && !plan.dry {
			return usagef("a signer answers on %s, Clef, or kvclef in its place: stop it first, Clef for good: what it signs from now on would be missing here, in every limit; --dry-run reports meanwhile", at)
		}
		if plan.attested, err = vault.Attested(); err != nil {
			return &usageError{err}
		}
		if plan.values, err = vault.Storage(); err != nil {
			return &usageError{err}
		}
		if plan.passwords, err = vault.Accounts(); err != nil {
			return &usageError{err}
		}
		if keystore := c.String("keystore"); keystore != "" {
			if plan.keys, err = clefdir.KeyFiles(keystore); err != nil {
				return &usageError{err}
			}
		}
		return nil
	})
}

// clefAnswers returns where something answers at which Clef listened, "" if nothing does.
// The pipe of Windows has no folder, and may be another Clef's.
func clefAnswers(c *cli.Context, dir *clefdir.Dir) string {
	type place struct{ network, address string }
	var places []place
	if runtime.GOOS != "windows" {
		places = append(places, place{"unix", filepath.Join(dir.Path(), clefSocket)})
		if path := c.String("ipcpath"); path != "" {
			places = append(places, place{"unix", filepath.Join(path, clefSocket)}, place{"unix", path})
		}
	}
	if c.Bool("http") {
		host, port := c.String("http.addr"), c.Int("http.port")
		if host == "" {
			host = "localhost"
		}
		if !c.IsSet("http.port") {
			port = 8550
		}
		places = append(places, place{"tcp", net.JoinHostPort(host, strconv.Itoa(port))})
	}
	for _, at := range places {
		if clefdir.Answers(c.Context, at.network, at.address) {
			return at.address
		}
	}
	return ""
}

// askChainIDs returns the chains, which are asked for when no flag gives them:
// Clef's default of 1 is no reason to sign for Ethereum.
func (p *program) askChainIDs(ctx context.Context, c *cli.Context) ([]uint64, error) {
	if c.IsSet("chainid") {
		return chainIDs(c.StringSlice("chainid"))
	}
	if !isTerminal(p.stdin) {
		return nil, usagef("no chain id: give the --chainid that Clef was started with (its default was 1, Ethereum)")
	}
	_, _ = fmt.Fprint(p.stderr, "Chain id that Clef signed for (its default was 1, Ethereum): ")
	answer := make(chan string, 1)
	go func() { // it lasts until the line ends, or the process
		line, err := bufio.NewReader(io.LimitReader(p.stdin, 128)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			line = ""
		}
		answer <- line
	}()
	select {
	case line := <-answer:
		return chainIDs(strings.Split(strings.TrimSpace(line), ","))
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
