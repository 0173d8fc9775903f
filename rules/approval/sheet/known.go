package sheet

import (
	"encoding/json"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/facts"
)

// factsOf is what is known of what a ticket is about, by the same tables as a policy
// is judged with, nil where nothing is. It is made of what people vote on, so that who
// shows a ticket need not believe the signer.
func factsOf(s *approval.Subject) *facts.Facts {
	req := &rules.Request{Account: rules.Account{Address: s.Account}}
	switch {
	case s.Transaction != nil:
		value, _ := new(big.Int).SetString(s.Transaction.Value, 10)
		req.Kind = rules.KindTransaction
		req.Transaction = types.NewTx(&types.LegacyTx{To: s.Transaction.To, Value: value, Data: s.Transaction.Data})
	case s.TypedData != nil:
		req.Kind = rules.KindTypedData
		if s.Kind == rules.KindSafe.String() {
			req.Kind = rules.KindSafe
		}
		req.TypedData = new(apitypes.TypedData)
		if err := json.Unmarshal(s.TypedData, req.TypedData); err != nil {
			return nil // the tree shows it as it is
		}
	default:
		return nil
	}
	return facts.Of(req, time.Time{})
}

// understood reports whether the outermost actions are such as facts knows, so that
// its effects say which numbers have no bound.
func (w *writer) understood() bool {
	if w.facts == nil || len(w.facts.Actions) == 0 {
		return false
	}
	for i := range w.facts.Actions {
		if a := &w.facts.Actions[i]; a.Depth == 0 && a.Decoding != facts.Known && a.Decoding != facts.None {
			return false
		}
	}
	return true
}
