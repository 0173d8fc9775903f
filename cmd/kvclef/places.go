package main

import (
	"context"
	"errors"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/console"
)

// placesFree tells all that other programs have of what the signer is to listen on, before the
// vaults are asked: to read their keys may take a minute, and counts against their limits.
// Nothing is opened, since there is nothing to serve yet.
func (s *signing) placesFree(ctx context.Context) error {
	listen, err := s.serverConfig()
	if err != nil {
		return err
	}
	var problems []error
	look := func(err error) { problems = append(problems, portTaken(err)) }
	for _, err := range several(listen.CheckFree(ctx)) {
		look(err)
	}
	if p := &s.cfg.Proxy; p.Enabled() {
		look(extapi.CheckPortFree(ctx, "proxy listener", hostPort(p.Addr, p.Port)))
	}
	if m := &s.cfg.Metrics; m.Enabled {
		look(extapi.CheckPortFree(ctx, "the listener of metrics", m.Listen()))
	}
	if s.cfg.Approvals.Enabled() && approvals.Supported {
		path, err := s.approvalsSocket()
		if err == nil {
			err = approvals.CheckFree(ctx, path)
		}
		look(err)
	}
	if c := &s.cfg.Approvals.Console; c.Enabled {
		for _, addr := range console.Addresses(c.Origin(), hostPort(c.Addr, c.Port)) {
			look(extapi.CheckPortFree(ctx, "console listener", addr))
		}
	}
	return errors.Join(problems...)
}
