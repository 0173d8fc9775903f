package facts

import (
	"time"

	"github.com/ethereum/go-ethereum/accounts"

	"github.com/kvclef/kvclef/rules"
)

// Of returns the facts of a request at a time. It never fails: what can't be
// decoded is a fact of its own.
func Of(req *rules.Request, at time.Time) *Facts {
	f := &Facts{Request: req, Time: at, Kind: kindOf(req)}
	switch f.Kind {
	case KindTransaction:
		f.Tx = txOf(req)
		f.Actions = actionsOf(req.Account.Address, callOf(req))
	case KindText:
		f.Text = textOf(req)
	case KindTypedData, KindSafe:
		f.Typed = typedOf(req)
		if f.Typed != nil && f.Typed.Safe != nil {
			f.Kind = KindSafe
		}
		if f.Kind == KindSafe {
			f.Actions = safeActions(req.Account.Address, f.Typed)
		} else {
			f.Actions = typedActions(req.Account.Address, f.Typed)
		}
	}
	f.totals = totalsOf(f.Actions)
	return f
}

// kindOf spells a request's kind as policies do, "" for one that is none.
func kindOf(req *rules.Request) string {
	switch req.Kind {
	case rules.KindTransaction:
		if req.Transaction == nil {
			return ""
		}
		return KindTransaction
	case rules.KindText:
		return KindText
	case rules.KindData:
		if req.ContentType == accounts.MimetypeClique {
			return KindClique
		}
		return KindValidator
	case rules.KindTypedData:
		return KindTypedData
	case rules.KindSafe:
		return KindSafe
	case rules.KindBlockPayload:
		if req.Payload == nil {
			return ""
		}
		return KindPayload
	case rules.KindList:
		return KindList
	case rules.KindNewAccount:
		return KindNewAccount
	default:
		return ""
	}
}
