package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/rules/suggest"
)

// completionTemplates are the scripts, one for each shell. They hold the whole
// command tree, so that completing starts no process but for the ids of tickets.
//
//go:embed completions/*.tmpl
var completionTemplates embed.FS

// completionPlace is a place in the command tree and what may stand there.
type completionPlace struct {
	Path    string // such as "/keys/list"; "" before any command
	Choices []completionChoice

	// Asks is a command that prints further words, a line each; "" if there are none.
	// No other place starts a process.
	Asks string
}

type completionChoice struct {
	Word   string
	Usage  string
	IsFlag bool
	Valued bool
}

// Name returns a flag's name without the dashes.
func (c completionChoice) Name() string { return strings.TrimLeft(c.Word, "-") }

func (p *program) completionCommand() *cli.Command {
	shells := completionShells()
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes command lines in a shell",
		UsageText: "kvclef completion bash|zsh|fish|powershell",
		Description: examples(
			"bash, in ~/.bashrc", "source <(kvclef completion bash)",
			"zsh, in ~/.zshrc after compinit", "source <(kvclef completion zsh)",
			"fish", "kvclef completion fish > ~/.config/fish/completions/kvclef.fish",
			"PowerShell, in $PROFILE", "kvclef completion powershell | Out-String | Invoke-Expression",
		),
		Action: action(func(c *cli.Context) error {
			shell := c.Args().First()
			if c.NArg() != 1 || !slices.Contains(shells, shell) {
				return usagef("completion: want one shell of %s, not %q%s", strings.Join(shells, ", "),
					strings.Join(c.Args().Slice(), " "), suggest.DidYouMean("", shell, shells))
			}
			return p.printCompletion(shell, completionPlaces(p.app()))
		}),
	}
}

func completionShells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

func (p *program) printCompletion(shell string, places []completionPlace) error {
	scripts, err := template.New("").Funcs(template.FuncMap{
		"valued":     valuedFlags,
		"join":       func(sep string, words []string) string { return strings.Join(words, sep) },
		"quote":      func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
		"quoteTwice": func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
		"quoteFish":  func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" },
		"colons":     func(s string) string { return strings.ReplaceAll(s, ":", `\:`) },
	}).ParseFS(completionTemplates, "completions/*.tmpl")
	if err != nil {
		return fmt.Errorf("parsing the completion scripts: %w", err)
	}
	if err := scripts.ExecuteTemplate(p.stdout, shell+".tmpl", places); err != nil {
		return fmt.Errorf("writing the completion script: %w", err)
	}
	return nil
}

// valuedFlags returns the flags that take a value, each once.
func valuedFlags(places []completionPlace) []string {
	var flags []string
	for _, place := range places {
		for _, choice := range place.Choices {
			if choice.Valued && !slices.Contains(flags, choice.Word) {
				flags = append(flags, choice.Word)
			}
		}
	}
	return flags
}

// completionPlaces walks the command tree. Before any command stand the
// commands and, as they may precede it, the flags of serve.
func completionPlaces(app *cli.App) []completionPlace {
	root := &cli.Command{Subcommands: app.Commands}
	for _, command := range app.Commands {
		if command.Name == "serve" {
			root.Flags = command.Flags
		}
	}
	return completionWalk("", root)
}

func completionWalk(path string, command *cli.Command) []completionPlace {
	place := completionPlace{Path: path}
	var below []completionPlace
	for _, sub := range command.Subcommands {
		place.Choices = append(place.Choices, completionChoice{Word: sub.Name, Usage: sub.Usage})
		below = append(below, completionWalk(path+"/"+sub.Name, sub)...)
	}
	for _, flag := range command.Flags {
		documented, ok := flag.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		place.Choices = append(place.Choices, completionChoice{
			Word: "--" + flag.Names()[0], IsFlag: true, Valued: valued(flag),
			Usage: strings.ReplaceAll(documented.GetUsage(), "`", ""),
		})
	}
	if path == "/completion" {
		for _, shell := range completionShells() {
			place.Choices = append(place.Choices, completionChoice{Word: shell, Usage: "print the script for " + shell})
		}
	}
	if slices.Contains([]string{"/approvals/show", "/approvals/approve", "/approvals/reject"}, path) {
		place.Asks = "kvclef approvals list --ids"
	}
	place.Choices = append(place.Choices, completionChoice{Word: "--help", IsFlag: true, Usage: "show help"})
	return append([]completionPlace{place}, below...)
}
