package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules/store/bolt"
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
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	shown, err := listTransactions(c.Context, dir, filter)
	if shown.Listing == nil {
		return err
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
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	shown, err := showTransaction(c.Context, dir, hash)
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

// listTransactions asks the running signer, or reads the state if none is running.
// With an error comes what could be read.
func listTransactions(ctx context.Context, dir datadir.Dir, filter outbox.Filter) (shown shownListing, err error) {
	client, err := admin.Connect(ctx, dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		kept, err := keptTransactions(ctx, dir)
		if kept.Records != nil {
			var listErr error
			shown.Listing, listErr = kept.List(ctx, filter)
			err = errors.Join(listErr, err)
		}
		return shown, err
	}
	if err != nil {
		return shown, err
	}
	query := url.Values{"limit": {strconv.Itoa(filter.Limit)}}
	if filter.InFlight {
		query.Set("in_flight", "true")
	}
	if filter.Account != nil {
		query.Set("account", filter.Account.Hex())
	}
	var listing outbox.Listing
	if err := client.Transactions(ctx, http.MethodGet, "?"+query.Encode(), &listing); err != nil {
		return shown, err
	}
	return shownListing{&listing, true}, nil
}

// showTransaction does the same for one transaction.
func showTransaction(ctx context.Context, dir datadir.Dir, hash common.Hash) (shown shownTransaction, err error) {
	client, err := admin.Connect(ctx, dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		kept, err := keptTransactions(ctx, dir)
		if kept.Records != nil {
			var showErr error
			shown.Transaction, showErr = kept.Show(ctx, hash)
			err = errors.Join(showErr, err)
		}
		return shown, err
	}
	if err != nil {
		return shown, err
	}
	var transaction outbox.Transaction
	if err := client.Transactions(ctx, http.MethodGet, "/"+hash.Hex(), &transaction); err != nil {
		return shown, err
	}
	return shownTransaction{&transaction, true}, nil
}

// keptTransactions reads the state in the data directory as it is: it is not locked,
// changed or brought to a newer version. With an error comes what could be read.
func keptTransactions(ctx context.Context, dir datadir.Dir) (kept outbox.Kept, err error) {
	summary, err := bolt.Inspect(ctx, dir.Store(), time.Now(), true)
	if summary != nil && summary.Version > 0 {
		kept.Records = keptRecords(summary.RecordValues)
	}
	return kept, stateError(err)
}

// keptRecords are records that were read.
type keptRecords map[string]string

// EachRecord calls a function for the records whose keys have a prefix, by key.
func (k keptRecords) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(k)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := do(key, []byte(k[key])); err != nil {
			return err
		}
	}
	return nil
}
