package extapi

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// errExcerpt is the error of an entry that was written without the whole request.
var errExcerpt = errors.New("the log has an excerpt of the request alone")

// Rebuild returns the request of an entry, a decision, as the decider saw it, but
// for the accounts that a listing would show. The error is static, without
// anything of the request: it says why that is not possible.
func Rebuild(entry audit.Entry) (*rules.Request, error) {
	req := &rules.Request{
		ID:     entry.Request,
		Method: entry.Method,
		Account: rules.Account{
			Address: common.HexToAddress(entry.Account),
			Vault:   entry.Vault,
			Key:     entry.Key,
			Version: entry.KeyVersion,
		},
		Caller:      rules.Caller{Transport: entry.Transport, Remote: entry.Remote},
		Principal:   entry.Principal,
		ContentType: entry.ContentType,
	}
	for kind := rules.KindList; kind <= rules.KindSafe; kind++ {
		if kind.String() == entry.Kind {
			req.Kind = kind
		}
	}
	switch {
	case req.Kind == rules.KindInvalid:
		return nil, errors.New("the request is of no known kind")
	case req.Kind.Signs():
		return nil, errExcerpt
	default:
		return req, nil
	}
}
