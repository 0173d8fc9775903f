package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

func (p *program) manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		UsageText:   "kvclef man",
		Description: examples("read it", "kvclef man | man -l -"),
		Action: action(func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return p.printf("%s", manualPage(p.app(), buildVersion()))
		}),
	}
}

// manualPage returns kvclef(1): the command tree as --help tells it, which is all
// that is known here. Its date is that of the commit, so that a build is repeatable.
func manualPage(app *cli.App, version versionInfo) string {
	date := ""
	if !version.Time.IsZero() {
		date = version.Time.UTC().Format(time.DateOnly)
	}
	m := &manual{}
	m.linef(`.TH KVCLEF 1 "%s" "kvclef %s" "User Commands"`, date, strings.TrimPrefix(version.Version, "v"))
	m.heading("NAME")
	m.linef(`kvclef \- %s`, roff(app.Usage))
	m.heading("SYNOPSIS")
	m.linef(`.B %s`, roff(app.UsageText))
	m.heading("DESCRIPTION")
	m.text(app.Description)
	m.heading("COMMANDS")
	for _, command := range app.Commands {
		m.command(app.Name, command)
	}
	m.heading("EXIT STATUS")
	m.entry("0", "it is done")
	m.entry("1", "something failed at run time")
	m.entry("2", "the command line or the configuration is wrong")
	m.heading("ENVIRONMENT")
	m.paragraph("Each option names its variable. The AZURE_* variables say who asks the vaults, as for any program that uses Azure's SDKs.")
	m.heading("FILES")
	m.entry("/etc/kvclef/kvclef.yaml", "the configuration of the service, see kvclef.yaml(5)")
	m.entry("~/.kvclef", "data directory where none is named; the service has /var/lib/kvclef")
	m.heading("SEE ALSO")
	m.paragraph("kvclef.yaml(5), https://github.com/kvclef/kvclef")
	return m.String()
}

// manual writes the requests of man(7).
type manual struct{ strings.Builder }

func (m *manual) linef(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *manual) heading(name string) { m.linef(".SH %s", name) }

func (m *manual) paragraph(text string) { m.linef(".PP\n%s", roff(text)) }

func (m *manual) entry(term, text string) { m.linef(".TP\n.B %s\n%s", roff(term), roff(text)) }

// text writes a description: paragraphs, and indented lines as they are.
func (m *manual) text(text string) {
	if text == "" {
		return
	}
	literal := false
	m.linef(".PP")
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != literal {
			literal = indented
			m.linef("%s", map[bool]string{true: ".PP\n.nf\n.RS 4", false: ".RE\n.fi\n.PP"}[literal])
		}
		if line = strings.TrimSpace(line); line == "" {
			m.linef(".PP")
			continue
		}
		m.linef("%s", roff(line))
	}
	if literal {
		m.linef(".RE\n.fi")
	}
}

// command writes a command and those below it.
func (m *manual) command(path string, command *cli.Command) {
	path += " " + command.Name
	m.linef(`.SS "%s"`, roff(path))
	m.linef("%s.", roff(upperFirst(command.Usage)))
	if command.UsageText != "" {
		m.linef(".PP\n.nf\n.B %s\n.fi", strings.ReplaceAll(roff(command.UsageText), "\n", "\n.B "))
	}
	m.text(command.Description)
	for _, flag := range command.Flags {
		m.flag(flag)
	}
	for _, sub := range command.Subcommands {
		m.command(path, sub)
	}
}

func (m *manual) flag(flag cli.Flag) {
	documented, ok := flag.(cli.DocGenerationFlag)
	if !ok {
		return
	}
	usage, value := documented.GetUsage(), ""
	if valued(flag) {
		value = "VALUE"
	}
	if before, rest, found := strings.Cut(usage, "`"); found { // the value's name stands in back quotes
		name, after, _ := strings.Cut(rest, "`")
		value, usage = name, before+name+after
	}
	term := `\fB` + roff("--"+flag.Names()[0]) + `\fR`
	if value != "" {
		term += ` \fI` + roff(value) + `\fR`
	}
	var more []string
	if text := documented.GetDefaultText(); text != "" && valued(flag) {
		more = append(more, "default: "+text)
	}
	for _, variable := range documented.GetEnvVars() {
		more = append(more, "$"+variable)
	}
	if len(more) > 0 {
		usage += " (" + strings.Join(more, "; ") + ")"
	}
	m.linef(".TP\n%s\n%s", term, roff(usage))
}

// roff escapes what means something to the formatter.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(text)
	var b strings.Builder
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range text {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
