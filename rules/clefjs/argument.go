package clefjs

import (
	"encoding/json"
	"fmt"

	"github.com/dop251/goja"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
)

// apart is from which length on, in bytes, data is handed over apart from the
// JSON text: its text is then neither escaped nor parsed.
const apart = 1 << 10

// argument is the one argument of a function: JSON text, and long strings that
// take the place of empty ones in it.
type argument struct {
	text    []byte
	strings []member
}

// member is a string of an argument: its value is at object.name, or at name
// if object is "".
type member struct{ object, name, value string }

// maxCopied is how long an argument may be, in bytes, where the file copies members by
// {...value}: a text has a member for each character, and no check can be put before that.
const maxCopied = 256 << 10

// size is how long it is, in bytes.
func (a argument) size() int {
	size := len(a.text)
	for _, s := range a.strings {
		size += len(s.value)
	}
	return size
}

// in returns the argument as a value of a machine.
func (a argument) in(m *machine) (goja.Value, error) {
	value, err := m.parse(goja.Undefined(), m.vm.ToValue(string(a.text)))
	if err != nil {
		return nil, err
	}
	for _, s := range a.strings {
		object := value.ToObject(m.vm)
		if s.object != "" {
			object = object.Get(s.object).ToObject(m.vm)
		}
		if err := object.Set(s.name, s.value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// argumentOf returns the argument of the function that judges a request.
func (r *Ruleset) argumentOf(req *rules.Request) (argument, error) {
	switch req.Kind {
	case rules.KindList:
		return jsonArgument(clefargs.ListingOf(req))
	case rules.KindTransaction:
		return transactionArgument(req)
	default:
		return dataArgument(req)
	}
}

// authorizationList is the member of a set-code transaction (EIP-7702) that
// Clef does not have: it drops the list, and its rule files know nothing of it.
const authorizationList = "authorizationList"

// transactionArgument is the argument of ApproveTx.
func transactionArgument(req *rules.Request) (argument, error) {
	described, err := clefargs.SignTxOf(req)
	if err != nil {
		return argument{}, err
	}
	var long []member
	if data := described.Transaction.Data; data != nil && len(*data) > apart {
		long = append(long, member{"transaction", "data", hexutil.Encode(*data)})
		described.Transaction.Data = &hexutil.Bytes{}
	}
	a, err := jsonArgument(described)
	a.strings = long
	return a, err
}

// dataArgument is the argument of ApproveSignData.
func dataArgument(req *rules.Request) (argument, error) {
	described := clefargs.SignDataOf(req)
	var long []member
	if raw := described.RawData; len(raw) > apart {
		described.RawData, long = "", []member{{"", "raw_data", raw}}
	}
	a, err := jsonArgument(described)
	a.strings = long
	return a, err
}

// approvedArgument is the argument of OnApprovedTx.
func approvedArgument(req *rules.Request, result rules.Result) (argument, error) {
	described, err := clefargs.ApprovedOf(req, result)
	if err != nil {
		return argument{}, err
	}
	a, err := jsonArgument(struct {
		Raw string             `json:"raw"`
		Tx  *types.Transaction `json:"tx"`
	}{"", described.Tx})
	a.strings = []member{{"", "raw", described.Raw.String()}}
	return a, err
}

func jsonArgument(value any) (argument, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return argument{}, fmt.Errorf("writing the request for the rule file: %w", err)
	}
	return argument{text: text}, nil
}
