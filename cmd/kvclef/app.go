package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // something failed at run time
	exitUsage   = 2 // the command line or the configuration is wrong
)

// app returns the commands. Only commands have flags: arrange moves flags that
// stand before the command behind it, as Clef's do.
func (p *program) app() *cli.App {
	return plainErrors(&cli.App{
		Name:  "kvclef",
		Usage: "signs for Ethereum nodes with keys in Azure Key Vault, through Clef's external API",
		Description: examples(
			"try it, no Azure needed", "kvclef dev --approve-all",
			"sign for a node on chain 10", "kvclef serve --chainid 10 --vault https://kv-prod.vault.azure.net",
			"see whether the vault is set up well", "kvclef check --vault https://kv-prod.vault.azure.net",
		) + "\n\nWithout a command, kvclef serves; flags may stand before the command.",
		UsageText:       "kvclef [command] [flags]",
		Reader:          p.stdin,
		Writer:          p.stdout,
		ErrWriter:       p.stderr,
		HideVersion:     true, // there is a command for it
		ExitErrHandler:  func(*cli.Context, error) {},
		HideHelpCommand: true,
		Commands: []*cli.Command{
			p.serveCommand(), p.proxyCommand(), p.devCommand(), p.initCommand(), p.stateCommand(), p.txCommand(), p.emulatorCommand(), p.keysCommand(), p.checkCommand(), p.auditCommand(),
			p.policyCommand(), p.rulesCommand(), p.attestCommand(), p.approvalsCommand(),
			p.importCommand(), p.diagCommand(), p.versionCommand(), p.completionCommand(), p.manCommand(),
		},
	})
}

// plainErrors makes a value that a flag can't have a line, not a page of help.
func plainErrors(app *cli.App) *cli.App {
	commands := app.Commands
	for len(commands) > 0 {
		command := commands[0]
		command.OnUsageError = func(c *cli.Context, err error, _ bool) error {
			return linkedSettings(c.Command.Flags, usagef("%w; see %s --help", err, c.Command.HelpName))
		}
		commands = append(commands[1:], command.Subcommands...)
	}
	return app
}

// examples formats pairs of what is wanted and the command line that does it.
func examples(pairs ...string) string {
	var b strings.Builder
	b.WriteString("Examples:")
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "\n  # %s\n  %s", pairs[i], pairs[i+1])
	}
	return b.String()
}

// usageError is a mistake on the command line or in the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// runError is a failure of a command that had begun its work.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// action marks the errors of a command's work, to tell them from those of
// reading its command line.
func action(do func(*cli.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		err := do(c)
		var usage *usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		return &runError{err}
	}
}

// report prints an error, or each of several, as one line and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return exitOK
	}
	said := make(map[string]bool)
	for _, one := range several(err) {
		text := strings.Join(strings.FieldsFunc(one.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
		switch uid := os.Geteuid(); {
		case errors.Is(one, context.Canceled):
			text = "interrupted"
		case errors.Is(one, fs.ErrPermission) && uid >= 0: // mostly it is another user's
			text += fmt.Sprintf(" (kvclef runs as the user id %d)", uid)
		case config.NeedsCredentials(text):
			text += " (CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=; run the command as that unit does, of the Debian package by /usr/libexec/kvclef/as-service)"
		}
		if !said[text] {
			p.sayf("kvclef: %s", text)
		}
		said[text] = true
	}
	var run *runError
	if errors.As(err, &run) {
		return exitFailure
	}
	return exitUsage
}

// several returns the errors that were joined, each by itself, with what was said before all
// of them.
func several(err error) []error {
	switch outer := err.(type) { //nolint:errorlint // what is below a text is a part of it
	case *usageError:
		return several(outer.err)
	case *runError:
		return several(outer.err)
	case interface{ Unwrap() []error }:
		if errors.Join(outer.Unwrap()...).Error() != err.Error() {
			break // a text of its own
		}
		var all []error
		for _, one := range outer.Unwrap() {
			all = append(all, several(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		inner := outer.Unwrap()
		if inner == nil {
			break
		}
		all := several(inner)
		before, ends := strings.CutSuffix(err.Error(), inner.Error())
		if len(all) < 2 || !ends {
			break
		}
		for i, one := range all {
			all[i] = fmt.Errorf("%s%w", before, one)
		}
		return all
	}
	return []error{err}
}

// sayf prints a line on the standard error stream. There is nowhere to report
// that this failed.
func (p *program) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stderr, format+"\n", args...)
}

// printf prints to the standard output.
func (p *program) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.stdout, format, args...); err != nil {
		return fmt.Errorf("writing to the standard output: %w", err)
	}
	return nil
}
