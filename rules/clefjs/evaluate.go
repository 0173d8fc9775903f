package clefjs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
)

// functionOf returns the function that judges requests of a kind.
func functionOf(kind rules.Kind) (string, bool) {
	switch kind {
	case rules.KindList:
		return approveListing, true
	case rules.KindTransaction:
		return approveTx, true
	case rules.KindText, rules.KindData, rules.KindTypedData, rules.KindSafe:
		return approveSignData, true
	default: // account_new is never put to a rule file
		return "", false
	}
}

// Evaluate calls the file's function for the request. "Approve" approves,
// "Reject" rejects, and everything else, a failure of the script too, refers
// the request to a person. What the call wrote into the storage is kept only
// if it approved or rejected, and with Keep of the hold.
//
// Where the file defines OnApprovedTx, the hold of an approved transaction
// keeps the storage for itself until Settle. A *BusyError says that another
// call kept the storage for too long.
func (r *Ruleset) Evaluate(ctx context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	function, ok := functionOf(req.Kind)
	if !ok {
		return rules.Decision{}, nil, nil
	}
	decision := rules.Decision{Verdict: rules.Refer, Rule: r.name + ":" + function}
	if !r.defines(function) {
		decision.Reason = fmt.Sprintf("%s defines no function %s", r.name, function)
		return decision, nil, nil
	}
	if len(clefargs.AuthorizationsOf(req)) > 0 && !strings.Contains(r.words.text, authorizationList) {
		decision.Reason = fmt.Sprintf("%s does not look at %s, which the transaction has", r.name, authorizationList)
		return decision, nil, nil
	}
	argument, err := r.argumentOf(req)
	if err != nil {
		return rules.Decision{Rule: decision.Rule}, nil, err
	}
	if size := argument.size(); r.words.copies && size > maxCopied {
		decision.Reason = fmt.Sprintf("%s copies members by {...value}, so that it is asked about at most %d bytes, and the request has %d", r.name, maxCopied, size)
		return decision, nil, nil
	}
	section := function == approveTx && r.defines(onApprovedTx)
	s := r.session(ctx)
	if section {
		if err := s.begin(); err != nil {
			return rules.Decision{Rule: decision.Rule}, nil, err
		}
	}
	answer := answer{asked: req.Accounts, listing: function == approveListing}
	err = r.call(ctx, s, function, argument, answer.read)
	if failure := errors.Join(s.failure(), ctx.Err()); failure != nil {
		s.rollback()
		return rules.Decision{Rule: decision.Rule}, nil, failure
	}
	var busy *BusyError
	switch {
	case errors.As(err, &busy):
		s.rollback()
		return rules.Decision{Rule: decision.Rule}, nil, err
	case err != nil:
		decision.Reason = r.explain(err).Error()
	default:
		decision.Verdict, decision.Reason, decision.Listed = answer.verdict, answer.reason, answer.listed
	}
	if decision.Verdict == rules.Refer || !s.used() {
		s.rollback()
		return decision, nil, nil
	}
	return decision, &hold{ruleset: r, session: s, section: section && decision.Verdict == rules.Approve}, nil
}

// call calls a function of the file with one argument, in a machine of its
// own, and lets read look at what it returns. A *BusyError says that too many
// others ran.
func (r *Ruleset) call(ctx context.Context, s *session, function string, argument argument, read func(goja.Value)) error {
	if !s.used() {
		leave, err := r.places.enter(ctx, r.options.WaitTimeout)
		if err != nil {
			return err
		}
		defer leave()
		alone, err := r.guard.memory.turn(ctx, r.options.WaitTimeout)
		if err != nil {
			return err
		}
		defer alone()
		s.waiting(func() { leave(); alone() }) // whoever has the storage may wait for either
	}
	m, fresh := r.pool.take(), false
	if m == nil {
		m, fresh = r.newMachine(), true
	}
	return r.guard.run(ctx, m, func() error {
		m.enter(s)
		if fresh {
			if err := m.load(); err != nil {
				return described(m, err)
			}
			if err := r.unchanged(m); err != nil {
				return err
			}
		}
		call, ok := m.function(function)
		if !ok {
			return fmt.Errorf("%s defines no function %s", r.name, function)
		}
		value, err := argument.in(m)
		if err != nil {
			return fmt.Errorf("handing the argument to %s: %w", function, err)
		}
		result, err := call(goja.Undefined(), value)
		if err != nil {
			return described(m, err)
		}
		if err := fulfilled(m, result); err != nil {
			return err
		}
		// To look at the result can run the file's code.
		if exception := m.vm.Try(func() { read(result) }); exception != nil {
			return described(m, exception)
		}
		return nil
	})
}

// unchanged refuses a file that defines other functions than when it was
// loaded, as one can whose top level reads the clock or the storage: an
// OnApprovedTx that comes later would not be called.
func (r *Ruleset) unchanged(m *machine) error {
	for function := range r.lookups {
		if _, ok := m.function(function); ok != r.defines(function) {
			return fmt.Errorf("whether %s defines %s has changed since it was loaded", r.name, function)
		}
	}
	return nil
}

// fulfilled refuses the promise of an async function that failed, or that
// waits for what will never come.
func fulfilled(m *machine, result goja.Value) error {
	object, ok := result.(*goja.Object)
	if !ok || object.ExportType() != reflect.TypeFor[*goja.Promise]() {
		return nil
	}
	promise, ok := object.Export().(*goja.Promise)
	switch {
	case !ok || promise.State() == goja.PromiseStateFulfilled:
		return nil
	case promise.State() == goja.PromiseStatePending:
		return errors.New("the function returned a promise that nothing keeps")
	default:
		text := "that can't be shown"
		if exception := m.vm.Try(func() { text = clip(promise.Result().String()) }); exception != nil {
			text = "that can't be shown"
		}
		return fmt.Errorf("the function's promise was broken by the exception %s", text)
	}
}
