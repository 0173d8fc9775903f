package policy

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/facts"
)

// each stands in a path for every element of a list.
const each = "*"

// flow is where a method says whose tokens it moves or hands over, to whom, and how
// many: paths of arguments, by their places.
type flow struct {
	owner     []string // nil: of who calls
	recipient []string // nil: nobody gets them
	amount    []string // nil: all, or one by its id
}

// flows are the methods that move tokens or let others take them, by their
// signatures.
var flows = sync.OnceValue(func() map[string]flow {
	const (
		details   = "((address,uint160,uint48,uint48)"
		permitted = "((address,uint256)"
	)
	all := make(map[string]flow)
	for signature, paths := range map[string][3]string{
		"transfer(address,uint256)":                          {"", "0", "1"},
		"transferFrom(address,address,uint256)":              {"0", "1", "2"},
		"transferAndCall(address,uint256)":                   {"", "0", "1"},
		"transferAndCall(address,uint256,bytes)":             {"", "0", "1"},
		"transferFromAndCall(address,address,uint256)":       {"0", "1", "2"},
		"transferFromAndCall(address,address,uint256,bytes)": {"0", "1", "2"},
		"send(address,uint256,bytes)":                        {"", "0", "1"},
		"burn(uint256)":                                      {"", "", "0"},
		"burnFrom(address,uint256)":                          {"0", "", "1"},

		"safeTransferFrom(address,address,uint256)":                        {"0", "1", ""},
		"safeTransferFrom(address,address,uint256,bytes)":                  {"0", "1", ""},
		"safeTransferFrom(address,address,uint256,uint256,bytes)":          {"0", "1", "3"},
		"safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)": {"0", "1", "3.*"},

		"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)": {"0", "1", "2"},
		"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)":                 {"0", "1", "2"},
		"receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)":  {"0", "1", "2"},
		"receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)":                  {"0", "1", "2"},

		"approve(address,uint256)":              {"", "0", "1"},
		"increaseAllowance(address,uint256)":    {"", "0", "1"},
		"increaseApproval(address,uint256)":     {"", "0", "1"},
		"approveAndCall(address,uint256)":       {"", "0", "1"},
		"approveAndCall(address,uint256,bytes)": {"", "0", "1"},
		"setApprovalForAll(address,bool)":       {"", "0", "1"},
		"authorizeOperator(address)":            {"", "0", ""},

		"permit(address,address,uint256,uint256,uint8,bytes32,bytes32)":      {"0", "1", "2"},
		"permit(address,address,uint256,uint256,bytes)":                      {"0", "1", "2"},
		"permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)": {"0", "1", "4"},

		// Permit2
		"approve(address,address,uint160,uint48)":                                                                          {"", "1", "2"},
		"transferFrom(address,address,uint160,address)":                                                                    {"0", "1", "2"},
		"transferFrom((address,address,uint160,address)[])":                                                                {"0.*.0", "0.*.1", "0.*.2"},
		"permit(address," + details + ",address,uint256),bytes)":                                                           {"0", "1.1", "1.0.1"},
		"permit(address," + details + "[],address,uint256),bytes)":                                                         {"0", "1.1", "1.0.*.1"},
		"permitTransferFrom(" + permitted + ",uint256,uint256),(address,uint256),address,bytes)":                           {"2", "1.0", "1.1"},
		"permitTransferFrom(" + permitted + "[],uint256,uint256),(address,uint256)[],address,bytes)":                       {"2", "1.*.0", "1.*.1"},
		"permitWitnessTransferFrom(" + permitted + ",uint256,uint256),(address,uint256),address,bytes32,string,bytes)":     {"2", "1.0", "1.1"},
		"permitWitnessTransferFrom(" + permitted + "[],uint256,uint256),(address,uint256)[],address,bytes32,string,bytes)": {"2", "1.*.0", "1.*.1"},
	} {
		all[signature] = flow{pathOf(paths[0]), pathOf(paths[1]), pathOf(paths[2])}
	}
	return all
})

func pathOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ".")
}

// flowsOf are those of a method, by its signature or by its name.
func flowsOf(method string) map[string]flow {
	found := make(map[string]flow)
	for signature, of := range flows() {
		if signature == method || nameOf(signature) == method {
			found[signature] = of
		}
	}
	return found
}

func nameOf(method string) string {
	name, _, _ := strings.Cut(method, "(")
	return strings.TrimSpace(name)
}

// approving are the methods by which others may take tokens.
func approving() []string {
	return []string{"approve", "approveAndCall", "authorizeOperator", "increaseAllowance", "increaseApproval", "permit", "setApprovalForAll"}
}

// sends reports whether a method, by its name or its signature, moves tokens. One of
// the name of one that is known, with other arguments, is taken for such a method; to burn is
// the name of much else.
func sends(method string) bool {
	name := nameOf(method)
	if slices.Contains(approving(), name) {
		return false
	}
	if strings.HasPrefix(name, "burn") {
		return len(flowsOf(method)) > 0
	}
	return len(flowsOf(name)) > 0
}

// sendsOthers reports whether a method that moves tokens moves those of others than who
// calls.
func sendsOthers(method string) bool {
	name := nameOf(method)
	return strings.Contains(name, "From") || strings.HasSuffix(name, "WithAuthorization")
}

// methods are those that a match is about, by their names or their signatures, and the
// word that says so: "" if none does.
func (m *Match) methods() (word string, methods []string) {
	switch {
	case m.has("function"):
		return "function", []string{m.find("function").want()}
	case m.has("call"):
		for _, text := range m.textsOf("call") {
			methods = append(methods, spelledOut(text))
		}
		return "call", methods
	case m.has("selector"):
		return "selector", m.selected()
	case len(m.safeData()) >= 4:
		if name := facts.NameOf([4]byte(m.safeData())); name != "" {
			methods = []string{name}
		}
		return "message", methods
	default:
		return "", nil
	}
}

// spelledOut is a method as its selector is made from it; a name stays as it is.
func spelledOut(method string) string {
	if strings.Contains(method, "(") {
		if parsed, err := calldata.Parse(method); err == nil {
			return parsed.Sig
		}
	}
	return method
}

// selected are the names of the methods that the word selector names, as far as
// they are known.
func (m *Match) selected() []string {
	var names []string
	if by, ok := m.find("selector").(narrowing); ok {
		for _, number := range by.narrows().numbers {
			if name := facts.NameOf([4]byte(binary.BigEndian.AppendUint32(nil, uint32(number)))); name != "" { // #nosec G115 -- of 4 bytes
				names = append(names, name)
			}
		}
	}
	return names
}

// strange reports whether all methods that a match is about are ones of which it is not
// known what they do.
func (m *Match) strange() bool {
	word, methods := m.methods()
	return word != "" && !slices.ContainsFunc(methods, func(method string) bool {
		if !strings.Contains(method, "(") {
			return true // a name that is known
		}
		parsed, err := calldata.Parse(method)
		return err != nil || facts.NameOf(parsed.Selector()) != ""
	})
}
