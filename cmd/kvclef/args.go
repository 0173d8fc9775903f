package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/rules/suggest"
)

// arrange brings a command line into the order that the flag parser needs: the
// command, its flags, its arguments. Flags may so stand anywhere, before the
// command as in Clef too; without a command it is serve. Flags of Clef that
// have no use in the command are explained or dropped.
func (p *program) arrange(app *cli.App, args []string) ([]string, error) {
	words, options, err := p.split(app, args[1:])
	if err != nil {
		return nil, err
	}
	if len(words) == 0 && len(options) == 1 && isHelp(options[0]) {
		return []string{args[0], "--help"}, nil // the help of the whole
	}
	if len(words) == 0 {
		words = []string{"serve"}
	}
	switch {
	case words[0] == "help":
		words, options = words[1:], []string{"--help"}
	case len(words) == 2 && words[1] == "help": // of a group of commands, too
		words, options = words[:1], []string{"--help"}
	}
	path, command, words, err := resolve(app, words)
	if err != nil {
		return nil, err
	}
	if options, err = p.withoutClefs(command, options); err != nil {
		return nil, err
	}
	for _, option := range options {
		if err := known(path, command, option); err != nil {
			return nil, err
		}
	}
	arranged := append([]string{args[0]}, path...)
	arranged = append(arranged, options...)
	if len(words) > 0 {
		arranged = append(append(arranged, "--"), words...)
	}
	return arranged, nil
}

// split separates words from options. An option keeps its value, as
// "--name=value".
func (p *program) split(app *cli.App, args []string) (words, options []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(words, args[i+1:]...), options, nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		flag, isOurs := flagNamed(app, name)
		clef, isClefs := clefFlagNamed(name)
		if !isOurs && !isClefs && !isHelp(arg) {
			return nil, nil, unknownFlag(app, arg, name)
		}
		takesValue := isOurs && valued(flag) || isClefs && clef.valued
		if takesValue && !hasValue {
			if i++; i == len(args) {
				return nil, nil, usagef("--%s needs a value", name)
			}
			arg += "=" + args[i]
		}
		options = append(options, arg)
	}
	return words, options, nil
}

// unknownFlag explains a flag that is not there. What is near a single letter is another.
func unknownFlag(app *cli.App, arg, name string) error {
	switch {
	case name == "v" || name == "V":
		return usagef("%s: use kvclef version, or --loglevel LEVEL", arg)
	case len(name) == 1:
		return usagef("unknown flag -%s", name)
	}
	return usagef("unknown flag --%s%s", name, suggest.DidYouMean("--", name, flagNames(app)))
}

// withoutClefs drops flags of Clef that have no use in a command, with a warning,
// and refuses those that the operator counts on.
func (p *program) withoutClefs(command *cli.Command, options []string) (ours []string, err error) {
	for _, option := range options {
		name, _, _ := strings.Cut(strings.TrimLeft(option, "-"), "=")
		clef, isClefs := clefFlagNamed(name)
		has := command != nil && slices.ContainsFunc(command.Flags, func(flag cli.Flag) bool { return slices.Contains(flag.Names(), name) })
		switch {
		case !isClefs || has:
			ours = append(ours, option)
		case clef.instead != "":
			return nil, usagef("--%s: %s", name, clef.instead)
		default:
			p.sayf("kvclef: warning: --%s has no effect: %s", name, clef.unneeded)
		}
	}
	return ours, nil
}

// resolve finds the command that the first words name, and returns the words
// that follow it.
func resolve(app *cli.App, words []string) (path []string, command *cli.Command, rest []string, err error) {
	commands := app.Commands
	for len(words) > 0 && len(commands) > 0 {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[0]) })
		if i < 0 {
			return nil, nil, nil, unknownCommand(path, commands, words[0])
		}
		path, command, words = append(path, commands[i].Name), commands[i], words[1:]
		commands = command.Subcommands
	}
	return path, command, words, nil
}

// unknownCommand explains a command that is not there, in Clef's words.
func unknownCommand(path []string, commands []*cli.Command, word string) error {
	var names []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	if instead, ok := clefCommand(word); ok && len(path) == 0 {
		return usagef("invalid command: %q; %s", word, instead)
	}
	hint := suggest.DidYouMean("", word, names)
	if hint == "" {
		hint = "; the commands are " + strings.Join(names, ", ")
	}
	prefix := ""
	if len(path) > 0 {
		prefix = strings.Join(path, " ") + ": "
	}
	return usagef("%sinvalid command: %q%s", prefix, word, hint)
}

// known reports an option that belongs to another command.
func known(path []string, command *cli.Command, option string) error {
	name, _, _ := strings.Cut(strings.TrimLeft(option, "-"), "=")
	if isHelp(option) {
		return nil
	}
	var names []string
	for _, flag := range command.Flags {
		names = append(names, flag.Names()...)
	}
	if slices.Contains(names, name) {
		return nil
	}
	line := fmt.Sprintf("kvclef %s", strings.Join(path, " "))
	return usagef("%s has no flag --%s%s; see %s --help", line, name, suggest.DidYouMean("--", name, names), line)
}

func isHelp(option string) bool {
	name := strings.TrimLeft(option, "-")
	return name == "h" || name == "help"
}

// valued reports whether a flag takes a value.
func valued(flag cli.Flag) bool {
	_, isBool := flag.(*cli.BoolFlag)
	return !isBool
}

func flagNamed(app *cli.App, name string) (cli.Flag, bool) {
	for _, flag := range allFlags(app.Commands) {
		if slices.Contains(flag.Names(), name) {
			return flag, true
		}
	}
	return nil, false
}

func flagNames(app *cli.App) []string {
	var names []string
	for _, flag := range allFlags(app.Commands) {
		names = append(names, flag.Names()...)
	}
	return names
}

func allFlags(commands []*cli.Command) []cli.Flag {
	var flags []cli.Flag
	for _, command := range commands {
		flags = append(flags, command.Flags...)
		flags = append(flags, allFlags(command.Subcommands)...)
	}
	return flags
}
