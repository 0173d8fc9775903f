package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// transactionSource is an outbox, or what the records hold of one that does not run.
type transactionSource struct {
	transactionReader

	stopped string // why nothing of it is sent again; "": it runs
}

type transactionReader interface {
	List(ctx context.Context, filter outbox.Filter) (*outbox.Listing, error)
	Show(ctx context.Context, hash common.Hash) (*outbox.Transaction, error)
}

// servedListing and servedTransaction are as they are told on the admin socket.
type (
	servedListing struct {
		*outbox.Listing

		Stopped string `json:"stopped,omitempty"`
	}
	servedTransaction struct {
		*outbox.Transaction

		Stopped string `json:"stopped,omitempty"`
	}
)

// hostedUse is what a hosted service has under way.
type hostedUse struct {
	Service  string `json:"service"`
	Name     string `json:"name,omitempty"` // "": it is not known here
	InFlight int    `json:"in_flight"`
}

var errHostsNothing = errors.New("the signer hosts no services: leave --service out for its own transactions")

// find returns where the transactions of a service are read, "" for the process's own.
func (s *transactionServer) find(id string) (transactionSource, error) {
	if id == "" {
		return transactionSource{transactionReader: s.outbox}, nil
	}
	if s.hosted == nil {
		return transactionSource{}, errHostsNothing
	}
	kept := outbox.Kept{Records: s.hosted.records.of(id)}
	health, running, err := s.hosted.registry.Find(id)
	switch {
	case err != nil && slices.Contains(s.hosted.records.ids(), id):
		return transactionSource{kept, "the service was deleted, and this is what it has left: a new one with its accounts takes that over"}, nil
	case err != nil:
		return transactionSource{}, err
	}
	if service, ok := running.(*hostedService); ok {
		return transactionSource{transactionReader: service.front.outbox}, nil
	}
	return transactionSource{kept, whyStopped(health)}, nil
}

// with has something done with the outbox of a service that runs.
func (s *transactionServer) with(id string, do func(*outbox.Outbox) error) error {
	if id == "" {
		return do(s.outbox)
	}
	if s.hosted == nil {
		return errHostsNothing
	}
	health, running, err := s.hosted.registry.Find(id)
	if err != nil {
		return err
	}
	service, ok := running.(*hostedService)
	if !ok {
		return fmt.Errorf("a replacement must be signed, and %s", whyStopped(health))
	}
	return service.replace(do)
}

// whyStopped says how a service is that does not run.
func whyStopped(health hosting.Health) string {
	if health.Error == "" {
		return "the service is " + string(health.State)
	}
	return fmt.Sprintf("the service is %s: %s", health.State, health.Error)
}

// services tells what hosted services have under way.
func (s *transactionServer) services(w http.ResponseWriter, r *http.Request) {
	uses := []hostedUse{}
	if s.hosted == nil {
		s.answer(w, r, uses, nil)
		return
	}
	for _, health := range s.hosted.registry.All() {
		uses = append(uses, hostedUse{Service: health.ID, Name: health.Name})
	}
	for _, id := range s.hosted.records.ids() {
		if !slices.ContainsFunc(uses, func(use hostedUse) bool { return use.Service == id }) {
			uses = append(uses, hostedUse{Service: id}) // it was deleted
		}
	}
	for i := range uses {
		n, err := s.inFlight(r.Context(), uses[i].Service)
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		uses[i].InFlight = n
	}
	s.answer(w, r, uses, nil)
}

// inFlight counts what a service has under way. One that is gone by now has nothing.
func (s *transactionServer) inFlight(ctx context.Context, id string) (int, error) {
	source, err := s.find(id)
	if errors.Is(err, hosting.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if sent, ok := source.transactionReader.(*outbox.Outbox); ok {
		return sent.InFlight(), nil
	}
	listing, err := source.List(ctx, outbox.Filter{InFlight: true, Limit: 1})
	if err != nil {
		return 0, err
	}
	return inFlightOf(listing), nil
}

func inFlightOf(listing *outbox.Listing) int {
	n := 0
	for _, lane := range listing.Lanes {
		n += lane.InFlight
	}
	return n
}
