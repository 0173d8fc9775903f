package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// writeConfig composes the configuration, which must be one that the signer
// reads. One that is there already is the operator's.
func (plan *clefPlan) writeConfig(c *cli.Context) (err error) {
	path := c.String("config-out")
	if path == "" {
		path = filepath.Join(plan.dir, "kvclef.yaml")
	}
	if plan.configPath, err = filepath.Abs(path); err != nil {
		return err
	}
	if same, err := inside(plan.configPath, plan.from); err != nil {
		return err
	} else if same {
		return usagef("the configuration %s would be in Clef's %s, where nothing is changed: give another --config-out", plan.configPath, plan.from)
	}
	if plan.config, err = plan.compose(c); err != nil {
		return err
	}
	parsed, err := config.Parse(plan.configPath, plan.config)
	if err == nil {
		err = parsed.Validate()
	}
	if err != nil {
		return usagef("what Clef was started with makes no configuration: %w", err)
	}
	switch existing, err := os.ReadFile(plan.configPath); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return usagef("looking for the configuration: %w", err)
	default:
		plan.configKept = !bytes.Equal(existing, plan.config)
	}
	return nil
}

// compose writes the configuration, in the order of docs/configuration.md. Its paths
// are absolute: where the signer will be started is not known.
func (plan *clefPlan) compose(c *cli.Context) ([]byte, error) {
	from, err := filepath.Abs(plan.from)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# What kvclef import clef carried over from Clef. docs/configuration.md explains the keys.")
	ids := make([]string, len(plan.chains))
	for i, id := range plan.chains {
		ids[i] = strconv.FormatUint(id, 10)
	}
	line("chainids: [%s]", strings.Join(ids, ", "))
	line("# The socket is ~/.kvclef/kvclef.ipc. To have it where Clef had its own:\n# configdir: %s", scalar(from))
	line("datadir: %s", scalar(plan.dir))
	if plan.selectors != nil {
		line("fourbyte_file: %s", scalar(filepath.Join(plan.dir, fourByteName)))
	}
	if plan.rules != "" {
		line("rules:\n  file: %s", scalar(plan.rules))
	}
	if err := composeListeners(c, line); err != nil {
		return nil, err
	}
	line("# The vault that holds the keys:\n# vaults:\n#   - url: https://NAME.vault.azure.net")
	if c.IsSet("loglevel") {
		line("log:\n  level: %s", scalar(c.String("loglevel")))
	}
	return b.Bytes(), nil
}

// composeListeners writes where Clef listened, if it was told.
func composeListeners(c *cli.Context, line func(string, ...any)) error {
	flags := []string{"ipcdisable", "ipcpath", "http", "http.addr", "http.port", "http.vhosts"}
	if !slices.ContainsFunc(flags, c.IsSet) {
		return nil
	}
	line("listeners:")
	if c.IsSet("ipcdisable") || c.IsSet("ipcpath") {
		line("  ipc:")
	}
	if c.IsSet("ipcdisable") {
		line("    disabled: %t", c.Bool("ipcdisable"))
	}
	if c.IsSet("ipcpath") {
		path, err := expandHome(c.String("ipcpath"), "ipcpath")
		if err == nil && path != "" {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return err
		}
		line("    path: %s", scalar(path))
	}
	if !slices.ContainsFunc(flags[2:], c.IsSet) {
		return nil
	}
	line("  http:\n    enabled: %t", c.Bool("http"))
	if c.IsSet("http.addr") {
		line("    addr: %s", scalar(c.String("http.addr")))
	}
	if c.IsSet("http.port") {
		line("    port: %d", c.Int("http.port"))
	}
	if c.IsSet("http.vhosts") {
		line("    vhosts:")
		for _, host := range c.StringSlice("http.vhosts") {
			line("      - %s", scalar(host))
		}
	}
	return nil
}

// scalar quotes a text for YAML, on one line.
func scalar(text string) string {
	quoted, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle})
	if err != nil {
		return strconv.Quote(text)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(quoted)), "\n", `\n`)
}
