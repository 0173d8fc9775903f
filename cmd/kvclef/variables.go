package main

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules/suggest"
)

// unknownVariables returns a problem for each variable that looks as if it were a flag's, and
// that nothing reads: one that is misspelt is a setting that does not hold. Those that [links]
// made are let through. Of the vaults that the file names all count, also those that a
// flag leaves out.
func unknownVariables(c *cli.Context, cfg *config.Config) error {
	if !slices.Contains([]string{"serve", "proxy", "dev", "check"}, commandName(c)) {
		return nil // what starts no signer, and says nothing of whether one can be started
	}
	known := variablesOf(allFlags(c.App.Commands))
	for i := range cfg.Vaults {
		known = append(known, cfg.Vaults[i].Credential.SecretEnv)
	}
	var names []string // without the prefix, which would make all of them look alike
	for _, name := range variablesOf(c.Command.Flags) {
		names = append(names, strings.TrimPrefix(name, variablePrefix))
	}
	var problems []error
	all := environment()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		short, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || slices.Contains(known, name) || all.made(name) {
			continue
		}
		hint := suggest.DidYouMean(variablePrefix, short, names)
		if hint == "" {
			hint = "; unset it, or see kvclef " + commandName(c) + " --help"
		}
		problems = append(problems, usagef("the variable %s is that of no flag%s", name, hint))
	}
	return errors.Join(problems...)
}

// variablesOf returns the variables of flags.
func variablesOf(flags []cli.Flag) []string {
	var names []string
	for _, flag := range flags {
		if documented, ok := flag.(cli.DocGenerationFlag); ok {
			names = append(names, documented.GetEnvVars()...)
		}
	}
	return names
}
