package extapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"

	"github.com/ethereum/go-ethereum/common"
)

// payloadMembers are those of a block payload. Older clients of the first version
// send PayloadBytes too, which nothing reads.
var payloadMembers = []string{"domain", "chainId", "payloadHash", "senderAddress"}

// blockPayloadV1 is the parameter of opsigner_signBlockPayload, in the form that
// Go gives a structure of bytes: the domain is an array of 32 numbers, the hash
// base64.
type blockPayloadV1 struct{ blockPayload }

// UnmarshalJSON decodes it. Members are exact, and come once.
func (p *blockPayloadV1) UnmarshalJSON(raw []byte) error {
	found, err := p.members(raw, append(payloadMembers, "PayloadBytes"))
	if err != nil {
		return err
	}
	domain, err := bytesOf(found["domain"], '[', "an array of 32 numbers")
	if err != nil {
		return fmt.Errorf("reading domain: %w", err)
	}
	hash, err := bytesOf(found["payloadHash"], '"', "32 bytes in base64")
	if err != nil {
		return fmt.Errorf("reading payloadHash: %w", err)
	}
	p.domain, p.hash = domain, hash
	return nil
}

// blockPayloadV2 is the parameter of opsigner_signBlockPayloadV2, all of it in
// hexadecimal.
type blockPayloadV2 struct{ blockPayload }

// UnmarshalJSON decodes it. Members are exact, and come once.
func (p *blockPayloadV2) UnmarshalJSON(raw []byte) error {
	found, err := p.members(raw, payloadMembers)
	if err != nil {
		return err
	}
	for name, into := range map[string]*common.Hash{"domain": &p.domain, "payloadHash": &p.hash} {
		if isNull(found[name]) {
			return fmt.Errorf("%s is missing: want 0x and 64 hexadecimal digits", name)
		}
		if err := json.Unmarshal(found[name], into); err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return nil
}

// members reads what both versions have in common.
func (p *blockPayload) members(raw []byte, known []string) (map[string]json.RawMessage, error) {
	found, err := strictMembers(raw, known...)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, errors.New("a block payload is an object")
	}
	if p.chain, err = chainOf(found["chainId"]); err != nil {
		return nil, fmt.Errorf("reading chainId: %w", err)
	}
	if err := json.Unmarshal(orNull(found["senderAddress"]), &p.sender); err != nil {
		return nil, fmt.Errorf("reading senderAddress: %w", err)
	}
	return found, nil
}

// bytesOf decodes 32 bytes that Go's encoding/json wrote, which takes both of its
// forms and fills up what is short.
func bytesOf(raw json.RawMessage, first byte, want string) (common.Hash, error) {
	var bytes []byte
	if isNull(raw) || raw[0] != first || json.Unmarshal(raw, &bytes) != nil || len(bytes) != common.HashLength {
		return common.Hash{}, fmt.Errorf("want %s", want)
	}
	return common.Hash(bytes), nil
}

// chainForm are the forms of a chain id: a number, which may be larger than
// JavaScript's, or text, decimal or hexadecimal.
var chainForm = regexp.MustCompile(`^([0-9]{1,78}|"([0-9]{1,78}|0x[0-9a-fA-F]{1,64})")$`)

// chainOf decodes a chain id of at most 256 bits; nil if it is absent.
func chainOf(raw json.RawMessage) (*big.Int, error) {
	if isNull(raw) {
		return nil, nil
	}
	if !chainForm.Match(raw) {
		return nil, errors.New("want a whole number, or a text with one, decimal or hexadecimal")
	}
	digits, base := string(raw), 10
	if raw[0] == '"' {
		digits = digits[1 : len(digits)-1]
	}
	if len(digits) > 2 && digits[1] == 'x' {
		digits, base = digits[2:], 16
	}
	chain, ok := new(big.Int).SetString(digits, base)
	if !ok || chain.BitLen() > 256 {
		return nil, errors.New("the number has more than 256 bits")
	}
	return chain, nil
}

// orNull is a member, null if it is absent.
func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}
