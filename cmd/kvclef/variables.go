package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules/suggest"
)

// unknownVariables returns a problem for each variable that looks as if it were a flag's, and
// that nothing reads: one that is misspelt is a setting that does not hold. Of the vaults that
// the file names all count, also those that a flag leaves out.
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
	environ := os.Environ()
	slices.Sort(environ)
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		short, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || slices.Contains(known, name) || ofService(name, environ) {
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

// ofService reports whether a variable is one of those that Kubernetes makes of a Service, such
// as KVCLEF_PORT_8550_TCP of kvclef, in every pod of its namespace: nobody has written it.
func ofService(name string, environ []string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		host, _, _ := strings.Cut(variable, "=")
		service, there := strings.CutSuffix(host, "_SERVICE_HOST")
		of, found := strings.CutPrefix(name, service)
		_, port := os.LookupEnv(service + "_SERVICE_PORT")
		return there && found && port && (of == "_PORT" || strings.HasPrefix(of, "_PORT_") || strings.HasPrefix(of, "_SERVICE_"))
	})
}
