package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// commandLine is where kvclef is called in a page: in a block, in a span of code, also one
// that is broken over lines, or in a substitution within one.
var commandLine = regexp.MustCompile("(?:^|[\n`;|&(]|\\$ |bin/|libexec/kvclef/)\\s*(?:(?:exec|sudo|env) )*(?:kvclef|as-service) +([^`;|&()\\\\#]+)")

// TestCommandsInPagesAreKnown: what a page has its readers type is a command of kvclef, with
// its flags. On a bad day nobody wants to guess what was meant.
func TestCommandsInPagesAreKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	count := 0
	for _, file := range append(files, "../../README.md") {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile("(?s)\n *```[a-z]*\n.*?```|`[^`]+`").FindAllString(string(page), -1)
		for _, block := range code {
			if span := !strings.HasPrefix(strings.TrimSpace(block), "```"); span {
				block = strings.ReplaceAll(block, "\n", " ")
			}
			block = strings.ReplaceAll(block, "\\\n", " ")
			for _, found := range commandLine.FindAllStringSubmatch(block, -1) {
				line, _, _ := strings.Cut(found[1], "\n")
				if line == "audit checkpoint" { // what the text of one begins with
					continue
				}
				count++
				if wrong := unknownIn(newProgram().app(), strings.Fields(line)); wrong != "" {
					t.Errorf("%s: kvclef %s: %s", filepath.Base(file), line, wrong)
				}
			}
		}
	}
	if count < 200 {
		t.Errorf("%d commands found in the pages", count)
	}
}

// unknownIn tells what of a command line kvclef does not know, "" for nothing.
func unknownIn(app *cli.App, words []string) string {
	commands, flags := app.Commands, app.Flags
	for i, word := range words {
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(word) })
		switch {
		case strings.HasPrefix(word, "--"):
			name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
			name = strings.TrimRight(name, "].,…")
			known := slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
			if _, clef := clefFlagNamed(name); name != "" && name != "help" && !known && !clef {
				return "no flag --" + name
			}
		case at >= 0:
			commands, flags = commands[at].Subcommands, slices.Concat(flags, commands[at].Flags)
		case len(commands) > 0 && regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(word) && (i == 0 || !strings.HasPrefix(words[i-1], "--")):
			return "no command " + word
		case len(commands) > 0:
			return "" // such as COMMAND
		}
	}
	return ""
}
