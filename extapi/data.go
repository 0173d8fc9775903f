package extapi

import (
	"context"
	"encoding/json"
	"mime"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// maxDataBytes bounds what one account_signData call may have signed.
const maxDataBytes = 1 << 20

// maxDataJSON bounds the JSON text of data: two digits a byte, and some air.
const maxDataJSON = 2*maxDataBytes + 1024

// maxContentType bounds a media type with its parameters, in bytes.
const maxContentType = 256

// SignData answers account_signData: it signs a personal message (text/plain),
// data for a validator (data/validator), a Clique header
// (application/x-clique-header) or an EIP-712 document (data/typed, as the
// hexadecimal of its JSON text). Any other media type is refused: Clef signs
// its data as a personal message.
//
// The answer is r‖s‖v in 65 bytes; v is 27 or 28, for Clique headers 0 or 1.
func (a *Account) SignData(ctx context.Context, contentType string, address common.MixedcaseAddress, data json.RawMessage) (signature hexutil.Bytes, err error) {
	const method = "account_signData"
	ctx, call := a.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}

	if len(contentType) > maxContentType {
		return nil, refuse("media type of %d bytes is too long: at most %d", len(contentType), maxContentType)
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, refuse("%v", err)
	}
	value, err := decodeData(data)
	if err != nil {
		return nil, err
	}
	req := a.newRequest(ctx, rules.KindInvalid, method, address.Address())
	req.ContentType, req.Spelling = mediaType, spelledOtherwise(&address)
	switch mediaType {
	case accounts.MimetypeTextPlain:
		err = describeText(req, value)
	case accounts.MimetypeDataWithValidator:
		err = describeValidatorData(req, data, value)
	case accounts.MimetypeClique:
		err = describeCliqueHeader(req, value)
	case accounts.MimetypeTypedData:
		err = a.describeTypedText(req, value)
	default:
		return nil, refuse("media type %q is not signed: use %s, %s, %s or %s", clip(mediaType), accounts.MimetypeTextPlain,
			accounts.MimetypeDataWithValidator, accounts.MimetypeTypedData, accounts.MimetypeClique)
	}
	if err != nil {
		return nil, err
	}
	return a.signMessage(ctx, req)
}

// signMessage takes a described request to its signature and gives v the form
// that clients know.
func (a *Account) signMessage(ctx context.Context, req *rules.Request) (hexutil.Bytes, error) {
	signature, err := a.service.sign(ctx, req)
	if err != nil {
		return nil, err
	}
	if req.ContentType != accounts.MimetypeClique {
		signature[64] += 27
	}
	return signature[:], nil
}

// decodeData decodes the data parameter, whose form depends on the media type.
// Of an object and of an array it tells the kind alone: their trees would take
// a hundred times the memory of the text. An absent value is nil.
func decodeData(raw json.RawMessage) (any, error) {
	switch {
	case len(raw) > maxDataJSON:
		return nil, refuse("data is too large: at most %d bytes are signed", maxDataBytes)
	case len(raw) == 0:
		return nil, nil
	case raw[0] == '{':
		return map[string]any{}, nil
	case raw[0] == '[':
		return []any{}, nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, refuse("%v", err)
	}
	return value, nil
}

// memberFromHex decodes a member that holds a hexadecimal string.
func memberFromHex(raw json.RawMessage) ([]byte, error) {
	value, err := decodeData(raw)
	if err != nil {
		return nil, err
	}
	return fromHex(value)
}

// fromHex decodes a hexadecimal string in the words of Clef's errors.
func fromHex(value any) ([]byte, error) {
	text, ok := value.(string)
	if !ok {
		return nil, refuse("wrong type %T", value)
	}
	data, err := hexutil.Decode(text)
	if err != nil {
		return nil, refuse("%v", err)
	}
	if len(data) > maxDataBytes {
		return nil, refuse("data of %d bytes is too large: at most %d are signed", len(data), maxDataBytes)
	}
	return data, nil
}

// describeText fills in a personal message (EIP-191, version 0x45).
func describeText(req *rules.Request, value any) error {
	text, err := fromHex(value)
	if err != nil {
		return err
	}
	describeMessage(req, text)
	return nil
}

// describeMessage fills in a personal message that is decoded.
func describeMessage(req *rules.Request, text []byte) {
	digest, message := accounts.TextAndHash(text)
	req.Kind = rules.KindText
	req.Digest = common.BytesToHash(digest)
	req.Preimage = []byte(message)
	req.Messages = []*apitypes.NameValueType{{Name: "message", Value: message, Typ: accounts.MimetypeTextPlain}}
}

// describeTypedText fills in an EIP-712 document that came as the hexadecimal
// of its JSON text.
func (a *Account) describeTypedText(req *rules.Request, value any) error {
	text, err := fromHex(value)
	if err != nil {
		return err
	}
	var document TypedData
	if err := document.UnmarshalJSON(text); err != nil {
		return refuse("%v", err)
	}
	return a.describeTypedData(req, &document)
}
