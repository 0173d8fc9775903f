package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/webhook"
)

// openWebhooks reads what webhooks are signed with.
func (d *durable) openWebhooks(cfg *config.Config) error {
	hooks := cfg.Approvals.Webhooks
	for i := range hooks {
		key := webhookKey(i)
		secret, err := keptLine(key+".secret_file", hooks[i].SecretFile, func() (string, error) { return hooks[i].Secret(key) }, d.log)
		if err != nil {
			return err
		}
		d.webhooks = append(d.webhooks, webhook.Hook{URL: hooks[i].URL, Secret: secret, Template: hooks[i].Template, Events: hooks[i].Events})
	}
	return nil
}

// webhookKey is the key of a webhook in the configuration.
func webhookKey(i int) string { return fmt.Sprintf("approvals.webhooks[%d]", i) }

// tellWebhooks tells others of tickets, until the context ends.
func (d *durable) tellWebhooks(ctx context.Context, cfg *config.Config) error {
	if d.approvals == nil || len(d.webhooks) == 0 {
		return nil
	}
	return webhook.Run(ctx, webhook.Config{Tickets: d.approvals, Hooks: d.webhooks, Link: ticketLink(&cfg.Approvals.Console), Logger: d.log, Told: d.options.watch.webhook()})
}

// ticketLink returns the link to a ticket's page, if there is a console.
func ticketLink(console *config.Console) func(id string) string {
	if !console.Enabled {
		return nil
	}
	return func(id string) string { return console.Origin() + "/tickets/" + url.PathEscape(id) }
}
