package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// printChecks prints what was found for people.
func (p *program) printChecks(found *seen, checks []vaultCheck) error {
	var b strings.Builder
	found.print(&b)
	for i, check := range checks {
		if i > 0 {
			b.WriteByte('\n')
		}
		check.print(&b)
	}
	return p.printf("%s", b.String())
}

func (v *vaultCheck) print(b *strings.Builder) {
	fmt.Fprintf(b, "vault %s, %s", v.Vault, v.URL)
	if v.Error != "" {
		fmt.Fprintf(b, "\n  ERROR    %s\n", v.Error)
		return
	}
	fmt.Fprintf(b, ", %s\n", v.Kind)
	fmt.Fprintf(b, "  rights   list keys: %s, read keys: %s\n", v.List, v.Read)
	fmt.Fprintf(b, "  signs    for %s\n", counted(len(v.Accounts), "account"))
	if len(v.Accounts) > 0 {
		table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "    ADDRESS\tKEY\tMAY SIGN\tCURVE\tPROTECTION\tEXPIRES") // a strings.Builder does not fail
		for _, a := range v.Accounts {
			_, _ = fmt.Fprintf(table, "    %s\t%s/%s\t%s\t%s\t%s\t%s\n", a.Address, a.Key, a.Version, a.Sign, a.Curve, a.protection(), a.expiry())
		}
		_ = table.Flush()
	}
	for _, s := range v.Skipped {
		fmt.Fprintf(b, "  skipped  key %s %s\n", strings.TrimSuffix(s.Key+"/"+s.Version, "/"), s.Reason)
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(b, "  WARNING  %s\n", warning)
	}
}

func (a accountCheck) protection() string {
	if a.Hardware {
		return "hardware"
	}
	return "software"
}

func (a accountCheck) expiry() string {
	if a.Expires == nil {
		return "never"
	}
	return a.Expires.UTC().Format(time.DateOnly)
}
