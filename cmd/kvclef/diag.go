package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/cmd/kvclef/diag"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// Bounds of what a report takes.
const (
	diagStep  = 30 * time.Second // for each part
	diagLines = 200
)

func (p *program) diagCommand() *cli.Command {
	return &cli.Command{
		Name:      "diag",
		Usage:     "collect what a bug report needs, without secrets",
		UsageText: "kvclef diag [--config FILE] [--datadir DIR] [--output FILE] [--log FILE]",
		Description: examples(
			"look at it", "kvclef diag --config /etc/kvclef/kvclef.yaml",
			"an archive to attach, with the end of the log", "kvclef diag --config /etc/kvclef/kvclef.yaml --log /var/log/kvclef.log --output kvclef-diag.tar.gz",
		) + "\n\nOf the configuration the values of harmless keys are told, of variables the names, of the state numbers." +
			"\nA signer that runs adds its metrics, its goroutines and its limits. Read it before you send it: the names of" +
			"\nvaults, keys, limits and principals are in it.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write an archive, `FILE`.tar.gz, in place of text"},
			&cli.StringFlag{Name: "log", Usage: "add the end of a log `FILE`"},
			&cli.IntFlag{Name: "lines", Usage: "`NUMBER` of its lines", Value: diagLines},
		}),
		Action: action(p.diag),
	}
}

func (p *program) diag(c *cli.Context) (err error) {
	if _, err := arguments(c); err != nil {
		return err
	}
	if c.Int("lines") < 1 {
		return usagef("--lines: %d is not above 0", c.Int("lines"))
	}
	sections, err := diagnose(c)
	if err != nil {
		return err
	}
	path := c.String("output")
	if path == "" {
		return diag.WriteText(p.stdout, sections)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usagef("--output: %s exists, and is not overwritten: name another file or remove it", path)
	}
	if err != nil {
		return usagef("--output: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	now := time.Now().UTC()
	if err := diag.WriteArchive(file, "kvclef-diag-"+now.Format("20060102T150405Z"), now, sections); err != nil {
		return err
	}
	p.sayf("%s is written: read it before you send it", path)
	return nil
}

// diagnose collects all that can be had. What can't is told as missing: that is news,
// too, but not in the words of an error, which may hold anything.
func diagnose(c *cli.Context) ([]diag.Section, error) {
	var sections []diag.Section
	add := func(name string, text []byte, err error) {
		if err != nil {
			text = []byte("not available: " + why(err) + "\n")
		}
		sections = append(sections, diag.Section{Name: name, Text: text})
	}
	add("version.json", indented(buildVersion()), nil)
	add("machine.txt", machine(), nil)
	add("variables.txt", variables(os.Environ()), nil)
	cfg, err := settings(c)
	if cfg == nil || err != nil { // what is wrong with it quotes it
		add("config.yaml", nil, errUnreadConfig)
		cfg = config.Default()
		cfg.DataDir = c.String("datadir")
	} else {
		text, err := diag.Config(cfg)
		add("config.yaml", text, err)
	}
	for _, kind := range []rules.FileKind{rules.PolicyFile, rules.RuleFile} {
		if path := map[rules.FileKind]string{rules.PolicyFile: cfg.Rules.Policy, rules.RuleFile: cfg.Rules.File}[kind]; path != "" {
			text, err := hashOfFile(path)
			add(kind.String()+".sha256", text, err)
		}
	}
	diagData(c.Context, cfg, add)
	if path := c.String("log"); path != "" {
		text, err := diag.Tail(path, c.Int("lines"))
		if err != nil {
			return nil, usagef("--log: %w", err)
		}
		add("log.txt", text, nil)
	}
	return sections, nil
}

var errUnreadConfig = diagError("the configuration can't be read, or means nothing: kvclef serve says why")

// diagError is a reason that may be told.
type diagError string

func (e diagError) Error() string { return string(e) }

// why tells an error that may be told, and of others the kind alone.
func why(err error) string {
	var told diagError
	switch {
	case errors.As(err, &told):
		return told.Error()
	case errors.Is(err, admin.ErrNotRunning):
		return "no signer is running on this data directory"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, bolt.ErrMissing):
		return "it is not there"
	case errors.Is(err, os.ErrPermission):
		return "no permission"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it took longer than %v", diagStep)
	case errors.Is(err, bolt.ErrCorrupt):
		return "it is damaged: kvclef state show says where"
	default:
		return "there was an error"
	}
}

// diagData adds what the data directory holds, and what the signer that runs there says.
func diagData(ctx context.Context, cfg *config.Config, add func(string, []byte, error)) {
	dir, err := dataDirOf(cfg)
	if err != nil {
		add("state.json", nil, err)
		return
	}
	text, err := stateNumbers(ctx, cfg, dir)
	add("state.json", text, err)
	text, err = auditNumbers(ctx, cfg, dir)
	add("audit.json", text, err)
	running, err := askRunning(ctx, dir)
	if err != nil {
		add("running.json", nil, err)
		return
	}
	add("running.json", indented(running.about()), nil)
	add("metrics.txt", []byte(running.Metrics), nil)
	add("goroutines.txt", []byte(running.Goroutines), nil)
	add("limits.txt", []byte(running.Limits), nil)
}

func dataDirOf(cfg *config.Config) (datadir.Dir, error) {
	path, err := dataDir(cfg)
	if err != nil {
		return datadir.Dir{}, diagError("no data directory is known: give --datadir")
	}
	dir, err := datadir.Find(path)
	if err != nil {
		return datadir.Dir{}, diagError("the data directory is not there, or not private")
	}
	return dir, nil
}

// stateNumbers tells how much is in the store, and nothing of what it is.
func stateNumbers(ctx context.Context, cfg *config.Config, dir datadir.Dir) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, diagStep)
	defer cancel()
	found, err := inspectState(ctx, cfg, dir, false)
	if err != nil {
		return nil, err
	}
	return indented(map[string]any{
		"version": found.Version, "created": found.Created, "latest": found.Latest, "storage_keys": found.Keys, "storage_bytes": found.Bytes,
		"counters": len(found.Counters), "holds_not_settled": len(found.Holds), "records": found.Records,
		"rules_attested": found.Attestation != nil, "policy_attested": found.PolicyAttestation != nil,
	}), nil
}

// auditNumbers tells the head of the audit log, and whether it is as it was written.
func auditNumbers(ctx context.Context, cfg *config.Config, dir datadir.Dir) ([]byte, error) {
	path, err := auditPath(cfg, dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, diagStep)
	defer cancel()
	found, err := audit.Verify(ctx, path, audit.VerifyOptions{})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return indented(map[string]any{
		"sound": err == nil, "segments": found.Segments, "bytes": found.Bytes, "entries": found.Entries, "last": found.Last, "head": found.Head,
		"first_time": found.FirstTime, "last_time": found.LastTime, "events": found.Events,
	}), nil
}

// askRunning asks the signer that runs.
func askRunning(ctx context.Context, dir datadir.Dir) (*runningDiag, error) {
	ctx, cancel := context.WithTimeout(ctx, diagStep)
	defer cancel()
	client, err := admin.Connect(ctx, dir.AdminSocket())
	if err != nil {
		return nil, err
	}
	var told runningDiag
	if err := client.Ask(ctx, http.MethodGet, admin.PathDiag, http.NoBody, &told); err != nil {
		return nil, err
	}
	return &told, nil
}

// hashOfFile tells a file by its hash.
func hashOfFile(path string) ([]byte, error) {
	path, err := expandHome(path, "")
	if err != nil {
		return nil, err
	}
	text, _, err := config.ReadOrdinary(path, 16<<20)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x\n", sha256.Sum256(text)), nil
}

// machine tells what it runs on.
func machine() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s/%s, %d processors, GOMAXPROCS %d\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0))
	for _, path := range []string{"/proc/version", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max", "/proc/self/limits"} {
		if text, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(&b, "\n%s\n%s", path, text)
		}
	}
	return b.Bytes()
}

// variables tells which variables that matter are set, and no value.
func variables(environ []string) []byte {
	var names []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"KVCLEF_", "AZURE_", "OTEL_", "IDENTITY_", "MSI_", "SSL_CERT_", "GO", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy"} {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return []byte(strings.Join(names, "\n") + "\n")
}

func indented(value any) []byte {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return []byte("not available\n")
	}
	return append(text, '\n')
}
