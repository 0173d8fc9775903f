package extapi

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata"
)

// Validator says what is to be known of a transaction before it is signed, in
// the words of go-ethereum's signer/fourbyte, whose selectors it uses. It is
// safe for concurrent use and never learns: fourbyte writes a caller's selector
// into its maps without a lock, which can end the process, and keeps it.
type Validator struct {
	selectors *selectors
	compound  compoundSignatures
}

// NewValidator returns a validator that knows go-ethereum's selectors and those
// of a file in the form of Clef's --4bytedb-custom, which is read once and never
// written. An empty name is no file.
func NewValidator(customFile string) (*Validator, error) {
	selectors, err := newSelectors(customFile)
	if err != nil {
		return nil, err
	}
	return &Validator{selectors: selectors}, nil
}

// Validate checks a transaction and its sidecar, and returns its findings. It
// moves Input to Data, and completes the sidecar. An error refuses the request
// whatever the findings; a finding of type WARNING or CRITICAL refuses it
// unless the signer is advanced.
//
// Unlike Clef's, its fee checks are for contract creation too.
func (v *Validator) Validate(selector *string, args *apitypes.SendTxArgs) ([]apitypes.ValidationInfo, error) {
	findings, _, err := v.examine("", selector, args)
	return findings, err
}

// examine validates for a principal, and returns the decoded call too, if there is one.
func (v *Validator) examine(principal string, selector *string, args *apitypes.SendTxArgs) ([]apitypes.ValidationInfo, *rules.Call, error) {
	if args.Data != nil && args.Input != nil && !bytes.Equal(*args.Data, *args.Input) {
		return nil, nil, refuse(`ambiguous request: both "data" and "input" are set and are not identical`)
	}
	if err := checkNumbers(args); err != nil {
		return nil, nil, err
	}
	if err := checkSelectorForm(selector); err != nil {
		return nil, nil, err
	}
	if _, err := args.ToTransaction(); err != nil { // verifies or computes the sidecar
		return nil, nil, publicError(err.Error())
	}
	if args.Input != nil {
		args.Data, args.Input = args.Input, nil
	}
	var data []byte
	if args.Data != nil {
		data = *args.Data
	}
	var found apitypes.ValidationMessages
	if args.To == nil {
		if len(data) == 0 && args.Value.ToInt().Sign() > 0 {
			return nil, nil, refuse("transaction will create a contract with value but empty code")
		}
		findInCreation(selector, data, &found)
		findInFees(args, &found)
		return found.Messages, nil, nil
	}
	findInRecipient(args.To, &found)
	findInFees(args, &found)
	call := v.findInCallData(principal, selector, data, &found)
	return found.Messages, call, nil
}

// checkNumbers refuses numbers that don't fit 256 bits. JSON can't bring them;
// in Go, apitypes wraps negative numbers and panics at large ones.
func checkNumbers(args *apitypes.SendTxArgs) error {
	for _, number := range []struct {
		name  string
		value *hexutil.Big
	}{
		{"value", &args.Value},
		{"gasPrice", args.GasPrice},
		{"maxFeePerGas", args.MaxFeePerGas},
		{"maxPriorityFeePerGas", args.MaxPriorityFeePerGas},
		{"maxFeePerBlobGas", args.BlobFeeCap},
		{"chainId", args.ChainID},
	} {
		if _, err := word((*big.Int)(number.value)); err != nil {
			return refuse("%s: %v", number.name, err)
		}
	}
	return nil
}

// maxSelector bounds a method selector, in bytes.
const maxSelector = 1024

// selectorForm is the outer form of a selector, name(types).
var selectorForm = regexp.MustCompile(`^[A-Za-z$_][A-Za-z0-9$_]*\([A-Za-z0-9,()\[\]]*\)(\[\])?$`)

// checkSelectorForm refuses a selector on which abi.ParseSelector would panic.
func checkSelectorForm(selector *string) error {
	if selector == nil {
		return nil
	}
	if len(*selector) > maxSelector || !selectorForm.MatchString(*selector) {
		return refuse("methodSelector %q is not of the form name(type,type), or longer than %d bytes", clip(*selector), maxSelector)
	}
	return nil
}

// findInCreation looks at the code of a contract creation.
func findInCreation(selector *string, code []byte, found *apitypes.ValidationMessages) {
	const leastCode = 40
	switch {
	case len(code) == 0:
		found.Crit("Transaction will create a contract with empty code")
	case len(code) < leastCode:
		found.Warn(fmt.Sprintf("Transaction will create a contract, but the payload is suspiciously small (%d bytes)", len(code)))
	}
	if selector != nil {
		found.Warn("Transaction will create a contract, but method selector supplied, indicating an intent to call a method")
	}
}

// findInRecipient looks at the recipient, whose checksum must be exact.
func findInRecipient(to *common.MixedcaseAddress, found *apitypes.ValidationMessages) {
	if !to.ValidChecksum() {
		found.Warn("Invalid checksum on recipient address")
	}
	if to.Address() == (common.Address{}) {
		found.Crit("Transaction recipient is the zero address")
	}
}

// findInFees reports the first fault in the choice of fee members.
func findInFees(args *apitypes.SendTxArgs, found *apitypes.ValidationMessages) {
	price, feeCap, tip := args.GasPrice != nil, args.MaxFeePerGas != nil, args.MaxPriorityFeePerGas != nil
	switch {
	case !price && !feeCap:
		found.Crit("Neither 'gasPrice' nor 'maxFeePerGas' specified.")
	case !price && !tip:
		found.Crit("Neither 'gasPrice' nor 'maxPriorityFeePerGas' specified.")
	case price && feeCap:
		found.Crit("Both 'gasPrice' and 'maxFeePerGas' specified.")
	case price && tip:
		found.Crit("Both 'gasPrice' and 'maxPriorityFeePerGas' specified.")
	}
}

// findInCallData tells the method that call data invokes, by the caller's
// selector or else by a known one. It returns the call if it could be decoded.
func (v *Validator) findInCallData(principal string, selector *string, data []byte, found *apitypes.ValidationMessages) *rules.Call {
	if len(data) == 0 {
		return nil
	}
	if len(data) < 4 {
		found.Warn("Transaction data is not valid ABI (missing the 4 byte call prefix)")
		return nil
	}
	if n := len(data) - 4; n%32 != 0 {
		found.Warn(fmt.Sprintf("Transaction data is not valid ABI (length should be a multiple of 32 (was %d))", n))
	}
	fault := "Transaction contains data, but provided ABI signature could not be matched: %v"
	var signatures []string
	if selector == nil {
		fault = "Transaction contains data, but provided ABI signature could not be verified: %v"
		var err error
		if signatures, err = v.selectors.find([4]byte(data)); err != nil {
			found.Warn(fmt.Sprintf("Transaction contains data, but the ABI signature could not be found: %v", err))
			return nil
		}
	} else {
		if err := v.admits(principal, *selector, [4]byte(data)); err != nil {
			found.Warn(fmt.Sprintf(fault, err))
			return nil
		}
		signatures = []string{*selector}
	}
	call, err := decodeAs(signatures, data)
	if err != nil {
		found.Warn(fmt.Sprintf(fault, err))
		return nil
	}
	found.Info(invokes(call))
	return call
}

// decodeAs decodes call data by the first of some signatures that it is exactly a call of.
// The error is that of the first.
func decodeAs(signatures []string, data []byte) (*rules.Call, error) {
	var first error
	for _, signature := range signatures {
		call, err := calldata.Decode(signature, data)
		if err == nil {
			return call, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// invokes is what is found in call data that was decoded.
func invokes(call *rules.Call) string {
	return fmt.Sprintf("Transaction invokes the following method: %q", call.Text)
}
