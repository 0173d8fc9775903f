package extapi

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// list is the path of account_list: decide, record, settle, record. A decision
// chooses among the accounts and can't add any.
func (s *Service) list(ctx context.Context, req *rules.Request, accounts []rules.Account) ([]common.Address, error) {
	record := newRecord(req)
	decision, err := s.decide(ctx, req, record)
	if err != nil {
		return nil, err
	}
	shown, listed := make([]common.Address, 0, len(accounts)), make(map[common.Address]bool, len(decision.Listed))
	for _, address := range decision.Listed {
		listed[address] = true
	}
	for _, account := range accounts {
		if decision.Listed == nil || listed[account.Address] {
			shown = append(shown, account.Address)
		}
	}
	result := rules.Result{Outcome: rules.NotSigned}
	err = s.conclude(ctx, req, decision, result, nil, func(err error) audit.Entry { return record.listed(result, len(shown), err) })
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// create is the path of account_new: decide, record, make the key, settle,
// record.
func (s *Service) create(ctx context.Context, req *rules.Request, maker KeyMaker) (rules.Account, error) {
	record := newRecord(req)
	decision, err := s.decide(ctx, req, record)
	if err != nil {
		return rules.Account{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()

	account, err := s.make(ctx, maker)
	// If a key was made, what was held for it counts, as for a signature.
	result := rules.Result{Outcome: outcomeOf(err)}
	err = s.conclude(ctx, req, decision, result, err, func(err error) audit.Entry { return record.made(result, account, err) })
	if err != nil {
		return rules.Account{}, err
	}
	return account, nil
}

// make makes a key. A maker that crashes may have made one.
func (s *Service) make(ctx context.Context, maker KeyMaker) (account rules.Account, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			s.log.ErrorContext(ctx, "Key maker crashed", "panic", crash, "stack", string(debug.Stack()))
			account, err = rules.Account{}, errInternal
		}
	}()
	account, err = maker.NewAccount(ctx)
	if err != nil {
		return rules.Account{}, fmt.Errorf("making a key: %w", err)
	}
	return account, nil
}
