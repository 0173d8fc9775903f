package extapi

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// describeValidatorData fills in data for an intended validator (EIP-191,
// version 0x00): keccak256(0x19 0x00 ‖ validator ‖ message). The address must
// have 20 bytes: Clef crops any other.
func describeValidatorData(req *rules.Request, raw json.RawMessage, value any) error {
	if _, ok := value.(map[string]any); !ok {
		return refuse("validator input is not a map[string]interface{}")
	}
	members, err := strictMembers(raw, "address", "message")
	if err != nil {
		return refuse("%v", err)
	}
	address, err := memberFromHex(members["address"])
	switch {
	case err != nil:
		return refuse("validator address error: %v", err)
	case len(address) == 0:
		return refuse("validator address is undefined")
	case len(address) != common.AddressLength:
		return refuse("validator address has %d bytes: want %d", len(address), common.AddressLength)
	}
	message, err := memberFromHex(members["message"])
	switch {
	case err != nil:
		return refuse("message error: %v", err)
	case len(message) == 0:
		return refuse("message is undefined")
	}

	describeForValidator(req, address, message)
	return nil
}

// describeForValidator fills in data for a validator that is decoded.
func describeForValidator(req *rules.Request, address, message []byte) {
	preimage := append(validatorPrefix(), address...)
	preimage = append(preimage, message...)
	req.Kind = rules.KindData
	req.Digest = crypto.Keccak256Hash(preimage)
	req.Preimage = preimage
	req.Messages = []*apitypes.NameValueType{
		{Name: "This is a request to sign data intended for a particular validator (see EIP 191 version 0)", Value: "", Typ: "description"},
		{Name: "Intended validator address", Value: common.BytesToAddress(address).Hex(), Typ: "address"},
		{Name: "Application-specific data", Value: hexutil.Encode(message), Typ: "hexdata"},
		{Name: "Full message for signing", Value: hexutil.Encode(preimage), Typ: "hexdata"},
	}
}

// validatorPrefix begins what is signed for a validator (EIP-191).
func validatorPrefix() []byte { return []byte{0x19, 0x00} }
