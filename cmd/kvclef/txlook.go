package main

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

func (p *program) txList(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	filter := outbox.Filter{InFlight: !c.Bool("all"), Limit: c.Int("limit")}
	if filter.Limit < 1 {
		return usagef("--limit %d: it must be at least 1", filter.Limit)
	}
	if text := c.String("account"); text != "" {
		if !common.IsHexAddress(text) {
			return usagef("--account %q is not an address", text)
		}
		account := common.HexToAddress(text)
		filter.Account = &account
	}
	cfg, dir, err := p.findState(c)
	if err != nil {
		return err
	}
	service, err := serviceOf(c)
	if err != nil {
		return err
	}
	look := transactionLook{cfg: cfg, dir: dir}
	if c.Bool("all-services") {
		if service != "" {
			return usagef("--service and --all-services say two things: give one of them")
		}
		listings, err := look.listAll(c.Context, filter)
		if len(listings) == 0 {
			return err
		}
		if c.Bool("json") {
			return errors.Join(p.printJSON(listings), err)
		}
		return errors.Join(p.printf("%s", listings), err)
	}
	shown, err := look.list(c.Context, filter, service)
	if shown.Listing == nil {
		return err
	}
	if service == "" && err == nil {
		shown.Hosted, err = look.othersUnderWay(c.Context)
	}
	if c.Bool("json") {
		return errors.Join(p.printJSON(shown), err)
	}
	return errors.Join(p.printf("%s", shown), err)
}

func (p *program) txShow(c *cli.Context) error {
	if c.Bool("raw") && c.Bool("json") {
		return usagef("--raw and --json are two ways to print: give one of them")
	}
	hash, err := aboutTransaction(c)
	if err != nil {
		return err
	}
	cfg, dir, err := p.findState(c)
	if err != nil {
		return err
	}
	service, err := serviceOf(c)
	if err != nil {
		return err
	}
	look := transactionLook{cfg: cfg, dir: dir}
	shown, err := look.show(c.Context, hash, service)
	switch {
	case shown.Transaction == nil:
		return err
	case c.Bool("raw") && len(shown.Raw) == 0:
		return errors.Join(fmt.Errorf("the bytes of %s are no longer kept: it is %s", hash, shown.State), err)
	case c.Bool("raw"):
		return errors.Join(p.printf("%s\n", shown.Raw), err)
	case c.Bool("json"):
		return errors.Join(p.printJSON(shown), err)
	default:
		return errors.Join(p.printf("%s", shown), err)
	}
}
