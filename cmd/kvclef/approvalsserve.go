package main

import (
	"context"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// serveApprovals opens the socket for votes, where people approve. The stop closes
// it; votes under way are counted.
func (s *signing) serveApprovals(ctx context.Context, signer extapi.Signer) (stop func(context.Context) error, err error) {
	none := func(context.Context) error { return nil }
	a := &s.cfg.Approvals
	switch {
	case s.state.approvals == nil:
		return none, nil
	case !approvals.Supported:
		s.log.WarnContext(ctx, "Nobody can vote from a terminal", "error", approvals.ErrUnsupported)
		return none, nil
	}
	path, err := s.approvalsSocket()
	if err != nil {
		return nil, err
	}
	server, err := approvals.Start(ctx, approvals.Config{
		Path: path, Group: a.SocketGroup, Tickets: s.state.approvals, Person: personOf(a.People),
		Names: func(t *approval.Ticket) (sheet.Names, map[string]string) { return s.state.namesOf(t, signer) }, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "People can vote from a terminal", "socket", path, "people", len(a.People))
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		return server.Close(ctx)
	}, nil
}

// approvalsSocket returns where the socket for votes is.
func (s *signing) approvalsSocket() (string, error) {
	return expandHome(s.cfg.Approvals.SocketPath(s.state.dir.Path()), "approvals.socket")
}

// personOf returns who a user of the machine is.
func personOf(people map[string]config.Person) func(uid uint32) string {
	names := make(map[uint32]string)
	for name, person := range people {
		if person.UID != nil {
			names[*person.UID] = name
		}
	}
	return func(uid uint32) string { return names[uid] }
}

// namesOf says what the policy in force and the vaults call what a ticket mentions.
func (d *durable) namesOf(t *approval.Ticket, signer extapi.Signer) (sheet.Names, map[string]string) {
	addresses := sheet.Addresses(t)
	names, chains := make(sheet.Names), make(map[string]string)
	if p := d.current.Load(); p != nil {
		for address, found := range p.NamesOf(addresses) {
			for _, name := range found {
				names[address.Hex()] = append(names[address.Hex()], sheet.Name(name))
			}
		}
		if subject, err := t.Subject(); err == nil {
			if id, err := strconv.ParseUint(subject.ChainID, 10, 64); err == nil && p.ChainName(id) != "" {
				chains[subject.ChainID] = p.ChainName(id)
			}
		}
	}
	mentioned := make(map[common.Address]bool, len(addresses))
	for _, address := range addresses {
		mentioned[address] = true
	}
	for _, account := range signer.Accounts() {
		if mentioned[account.Address] {
			key := sheet.Name{Kind: sheet.NameOfKey, Name: account.Vault + "/" + account.Key}
			names[account.Address.Hex()] = append(names[account.Address.Hex()], key)
		}
	}
	return names, chains
}

// sweepApprovals ends tickets whose time is over, until the context ends.
func (d *durable) sweepApprovals(ctx context.Context) error {
	if d.approvals == nil {
		return nil
	}
	return d.approvals.Run(ctx)
}

// hurryApprovals lets nobody wait for people any more, nor for the user interface. What is
// refused so is on record: the audit log is closed later.
func (d *durable) hurryApprovals() {
	if d.approvals != nil {
		d.approvals.Hurry()
	}
	if d.ui != nil {
		d.ui.Hurry()
	}
}
