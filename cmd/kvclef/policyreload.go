package main

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
)

func (p *program) policyReloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "reload",
		Usage:     "have the running signer read its policy again",
		UsageText: "kvclef policy reload [--datadir DIR]",
		Description: examples(
			"after a change: check it, allow it, use it", "kvclef policy test policy.yaml && kvclef rules attest policy.yaml && kvclef policy reload",
		) + "\n\nThe signal HUP does the same. Requests under way finish under the policy that judged them. A policy that has" +
			"\nan error or is not attested is not used: the one before stays in force, and this command ends with exit code 1.",
		Flags:  slices.Concat(generalFlags(), dataFlags("~/.kvclef")),
		Action: action(p.policyReload),
	}
}

func (p *program) policyReload(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	client, err := admin.Connect(c.Context, dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		return usagef("no signer is running on %s: it reads its policy when it starts", dir.Path())
	}
	if err != nil {
		return err
	}
	told, err := client.ReloadPolicy(c.Context)
	if err != nil {
		return err
	}
	return p.printf("%s\n", told)
}
