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

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// transactionLook looks at transactions: it asks the running signer, or reads the
// state if none is running. With an error comes what could be read.
type transactionLook struct {
	cfg  *config.Config
	dir  datadir.Dir
	kept keptRecords // nil: not read yet
}

// list returns the transactions of a service, "" for the signer's own.
func (l *transactionLook) list(ctx context.Context, filter outbox.Filter, service string) (shown shownListing, err error) {
	shown.Service = service
	client, err := admin.Connect(ctx, l.dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		kept, err := l.keptOf(ctx, service)
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
	query := url.Values{"limit": {strconv.Itoa(filter.Limit)}, "service": {service}}
	if filter.InFlight {
		query.Set("in_flight", "true")
	}
	if filter.Account != nil {
		query.Set("account", filter.Account.Hex())
	}
	served := servedListing{Listing: new(outbox.Listing)}
	if err := client.Transactions(ctx, http.MethodGet, "?"+query.Encode(), &served); err != nil {
		return shown, err
	}
	return shownListing{Listing: served.Listing, Running: true, Service: service, Stopped: served.Stopped}, nil
}

// show returns one transaction of a service.
func (l *transactionLook) show(ctx context.Context, hash common.Hash, service string) (shown shownTransaction, err error) {
	shown.Service = service
	client, err := admin.Connect(ctx, l.dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		kept, err := l.keptOf(ctx, service)
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
	served := servedTransaction{Transaction: new(outbox.Transaction)}
	if err := client.Transactions(ctx, http.MethodGet, "/"+hash.Hex()+"?"+url.Values{"service": {service}}.Encode(), &served); err != nil {
		return shown, err
	}
	return shownTransaction{Transaction: served.Transaction, Running: true, Service: service, Stopped: served.Stopped}, nil
}

// listAll returns the signer's own transactions, and those of each hosted service.
func (l *transactionLook) listAll(ctx context.Context, filter outbox.Filter) (listings shownListings, err error) {
	uses, err := l.hosted(ctx)
	if err != nil && l.kept == nil {
		return nil, err
	}
	for _, use := range append([]hostedUse{{}}, uses...) {
		shown, listErr := l.list(ctx, filter, use.Service)
		err = errors.Join(err, listErr)
		if shown.Name = use.Name; shown.Listing != nil {
			listings = append(listings, shown)
		}
	}
	return listings, err
}

// othersUnderWay returns the hosted services that have transactions under way.
func (l *transactionLook) othersUnderWay(ctx context.Context) ([]hostedUse, error) {
	uses, err := l.hosted(ctx)
	return slices.DeleteFunc(uses, func(use hostedUse) bool { return use.InFlight == 0 }), err
}

// hosted returns the hosted services.
func (l *transactionLook) hosted(ctx context.Context) (uses []hostedUse, err error) {
	client, err := admin.Connect(ctx, l.dir.AdminSocket())
	switch {
	case err == nil:
		err = client.Transactions(ctx, http.MethodGet, "/services", &uses)
		return uses, err
	case !errors.Is(err, admin.ErrNotRunning):
		return nil, err
	}
	if err := l.read(ctx); l.kept == nil {
		return nil, err
	}
	for _, id := range l.kept.services() {
		listing, err := outbox.Kept{Records: l.kept.below(prefixHosted + id + "/")}.List(ctx, outbox.Filter{InFlight: true, Limit: 1})
		if err != nil {
			return uses, err
		}
		uses = append(uses, hostedUse{Service: id, InFlight: inFlightOf(listing)})
	}
	return uses, nil
}

// keptOf returns what the state holds of a service.
func (l *transactionLook) keptOf(ctx context.Context, service string) (kept outbox.Kept, err error) {
	err = l.read(ctx)
	switch {
	case l.kept == nil:
		return kept, err
	case service == "":
		return outbox.Kept{Records: l.kept}, err
	case !slices.Contains(l.kept.services(), service):
		return kept, errors.Join(fmt.Errorf("no signer is running on %s, and its state holds no transactions of a service %.100q", l.dir.Path(), service), err)
	default:
		return outbox.Kept{Records: l.kept.below(prefixHosted + service + "/")}, err
	}
}

// read reads the state in the data directory as it is, once: it is not locked, changed
// or brought to a newer version.
func (l *transactionLook) read(ctx context.Context) error {
	if l.kept != nil {
		return nil
	}
	summary, err := inspectState(ctx, l.cfg, l.dir, true)
	if summary != nil && summary.Version > 0 {
		l.kept = summary.RecordValues
	}
	return stateError(err)
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

// services returns the hosted services that have records.
func (k keptRecords) services() []string {
	ids := make(map[string]bool)
	for key := range k {
		if id := hostedID(key); id != "" {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// below returns the records below a prefix, as if there were no others.
func (k keptRecords) below(prefix string) keptRecords {
	scoped := make(keptRecords)
	for key, value := range k {
		if own, ok := strings.CutPrefix(key, prefix); ok {
			scoped[own] = value
		}
	}
	return scoped
}
