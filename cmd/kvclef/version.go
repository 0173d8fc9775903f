package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi"
)

// versionInfo is what the version command prints. It comes from the Go tool,
// so that a build needs no flags to know itself.
type versionInfo struct {
	Version     string `json:"version"`
	Revision    string `json:"revision,omitempty"`
	Modified    bool   `json:"modified,omitempty"`
	ExternalAPI string `json:"external_api"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`

	Time time.Time `json:"-"` // of the revision
}

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version",
		UsageText: "kvclef version [--json]",
		Flags:     []cli.Flag{jsonFlag()},
		Action: action(func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			info := buildVersion()
			if c.Bool("json") {
				return p.printJSON(info)
			}
			return p.printf("%s\n", info)
		}),
	}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON", DisableDefaultText: true}
}

// String returns the version as people read it.
func (v versionInfo) String() string {
	revision := ""
	if v.Revision != "" {
		revision = " (revision " + v.Revision
		if v.Modified {
			revision += ", modified"
		}
		revision += ")"
	}
	return fmt.Sprintf("kvclef %s%s, Clef external API %s, %s %s", v.Version, revision, v.ExternalAPI, v.Go, v.Platform)
}

func buildVersion() versionInfo {
	info := versionInfo{
		Version: "(devel)", ExternalAPI: extapi.Version,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if build.Main.Version != "" {
		info.Version = build.Main.Version
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Revision = setting.Value
		case "vcs.time":
			info.Time, _ = time.Parse(time.RFC3339, setting.Value) // zero if it is of another form
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	return info
}

// printJSON prints a value as indented JSON.
func (p *program) printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding JSON: %w", err)
	}
	return p.printf("%s\n", text)
}
