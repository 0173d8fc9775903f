package extapi

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// decimalForm is an integer in a string or as a JSON number.
	decimalForm = regexp.MustCompile(`^-?[0-9]+$`)
	// hexForm is an integer in hexadecimal, never negative.
	hexForm = regexp.MustCompile(`^0[xX][0-9a-fA-F]+$`)
)

// maxIntegerText is the longest integer worth reading: a sign and the 78 digits
// of 2^256.
const maxIntegerText = 79

// validPrimitive reports whether a name of primitiveForm is a type of EIP-712
// or one of the aliases int and uint, which Clef takes.
func validPrimitive(name string) bool {
	match := primitiveForm.FindStringSubmatch(name)
	if match == nil {
		return false
	}
	family, digits := match[2], match[3]
	if digits == "" {
		return true
	}
	size, err := strconv.Atoi(digits)
	if err != nil || digits != strconv.Itoa(size) {
		return false
	}
	if family == "bytes" {
		return size >= 1 && size <= 32
	}
	return size >= 8 && size <= 256 && size%8 == 0
}

// encodePrimitive encodes a value of a primitive type in 32 bytes. It returns
// the value as rules and people see it, and the value itself, where a number
// has become its decimal text.
func encodePrimitive(kind string, value any) (encoded, error) {
	switch {
	case kind == "address":
		return encodeAddress(value)
	case kind == "bool":
		return encodeBool(value)
	case kind == "string":
		text, ok := value.(string)
		if !ok {
			return encoded{}, mismatch(kind, value)
		}
		return encoded{word: crypto.Keccak256Hash([]byte(text)), shown: text, value: text}, nil
	case strings.HasPrefix(kind, "bytes"):
		return encodeBytes(kind, value)
	default:
		number, err := parseInteger(kind, value)
		if err != nil {
			return encoded{}, err
		}
		word := common.Hash(math.U256Bytes(new(big.Int).Set(number)))
		return encoded{word: word, shown: fmt.Sprintf("%d (%#x)", number, number), value: number.String()}, nil
	}
}

// encodeAddress takes 40 hexadecimal digits, checksummed or not, as Clef does.
func encodeAddress(value any) (encoded, error) {
	text, ok := value.(string)
	switch {
	case !ok && value == nil:
		return encoded{}, mismatch("address", value)
	case !ok:
		return encoded{}, refuse("could not format value %s as address", printed(value))
	case !common.IsHexAddress(text):
		return encoded{}, mismatch("address", value)
	}
	address := common.HexToAddress(text)
	return encoded{word: common.BytesToHash(address[:]), shown: address.Hex(), value: text}, nil
}

// encodeBool takes JSON's true and false.
func encodeBool(value any) (encoded, error) {
	truth, ok := value.(bool)
	if !ok {
		return encoded{}, refuse("could not format value %s as bool", printed(value))
	}
	var word common.Hash
	if truth {
		word[31] = 1
	}
	return encoded{word: word, shown: strconv.FormatBool(truth), value: truth}, nil
}

// encodeBytes takes hexadecimal of any length for bytes, of N bytes for bytesN.
func encodeBytes(kind string, value any) (encoded, error) {
	text, ok := value.(string)
	if !ok {
		return encoded{}, mismatch(kind, value)
	}
	raw, err := hexutil.Decode(text)
	if err != nil {
		return encoded{}, mismatch(kind, value)
	}
	if kind == "bytes" {
		return encoded{word: crypto.Keccak256Hash(raw), shown: text, value: text}, nil
	}
	if size := strings.TrimPrefix(kind, "bytes"); size != strconv.Itoa(len(raw)) {
		return encoded{}, mismatch(kind, value)
	}
	return encoded{word: common.Hash(common.RightPadBytes(raw, 32)), shown: text, value: text}, nil
}

// parseInteger reads an integer exactly: a decimal or 0x-hexadecimal string, or
// a JSON number without fraction and exponent. It must be in the range of its
// type. The texts of the errors are Clef's.
func parseInteger(kind string, value any) (*big.Int, error) {
	var text string
	switch value := value.(type) {
	case *math.HexOrDecimal256:
		return inRange(kind, (*big.Int)(value))
	case json.Number:
		if text = value.String(); !decimalForm.MatchString(text) {
			return nil, refuse("invalid float value %s for type %s", clip(text), kind)
		}
	case string:
		if text = value; !decimalForm.MatchString(text) && !hexForm.MatchString(text) {
			return nil, refuse("invalid hex or decimal integer %q", clip(text))
		}
	default:
		return nil, refuse("invalid integer value %s/%T for type %s", printed(value), value, kind)
	}
	if len(text) > maxIntegerText {
		return nil, refuse("integer larger than '%s'", kind)
	}
	digits, base := text, 10
	if hexForm.MatchString(text) {
		digits, base = text[2:], 16
	}
	number, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return nil, refuse("invalid hex or decimal integer %q", clip(text))
	}
	return inRange(kind, number)
}

// inRange refuses a number that its type can't hold.
func inRange(kind string, number *big.Int) (*big.Int, error) {
	size, unsigned := 256, strings.HasPrefix(kind, "uint")
	if digits := strings.TrimLeft(kind, "uint"); digits != "" { // "int64", "uint64" → "64"
		var err error
		if size, err = strconv.Atoi(digits); err != nil {
			return nil, refuse("invalid size on integer: %s", digits)
		}
	}
	if number.BitLen() > size {
		return nil, refuse("integer larger than '%s'", kind)
	}
	if unsigned {
		if number.Sign() < 0 {
			return nil, refuse("invalid negative value for unsigned type %s", kind)
		}
		return number, nil
	}
	// Two's complement holds -2^(size-1) … 2^(size-1)-1.
	magnitude := number
	if number.Sign() < 0 {
		magnitude = new(big.Int).Not(number)
	}
	if magnitude.BitLen() >= size {
		return nil, refuse("integer larger than '%s'", kind)
	}
	return number, nil
}

// mismatch is Clef's error for a value of the wrong kind.
func mismatch(kind string, value any) error {
	return refuse("provided data '%s' doesn't match type '%s'", printed(value), kind)
}

// printed returns a caller's value, shortened, for an error message.
func printed(value any) string {
	if chainID, ok := value.(*math.HexOrDecimal256); ok {
		return (*big.Int)(chainID).String()
	}
	return clip(fmt.Sprintf("%v", value))
}
