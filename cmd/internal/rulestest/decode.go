package rulestest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/suggest"
)

// maxSteps bounds the requests of a case.
const maxSteps = 10_000

// Decode reads a case, or a bare JSON-RPC request, which is a case of one
// request. It is strict: a member that is unknown or stands twice is an error
// that names it.
func Decode(data []byte) (*Case, error) {
	if err := syntax(data); err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	err := walk(data, "", func(name string, _ json.RawMessage, _ string) error { names[name] = true; return nil })
	switch {
	case err != nil && strings.HasPrefix(strings.TrimSpace(string(data)), "["):
		return nil, errors.New("a list is no request and no case: put the requests of a batch into the steps of a case")
	case err != nil:
		return nil, err
	case names["method"]:
		step := newStep(Local())
		err := request(&step.Request)(data, "")
		return &Case{Steps: []Step{step}}, err
	default:
		return decodeCase(data, names)
	}
}

// newStep is a step of which nothing is said.
func newStep(caller rules.Caller) Step { return Step{Caller: caller, Expect: Expect{Verdict: Approve}} }

func decodeCase(data []byte, names map[string]bool) (*Case, error) {
	c := new(Case)
	single := newStep(Local())
	err := object(map[string]reader{
		"name":      text(&c.Name),
		"chain_id":  chainIDs(&c.ChainIDs),
		"advanced":  boolean(&c.Advanced),
		"accounts":  accounts(&c.Accounts),
		"storage":   textMap(&c.Storage),
		"caller":    caller(&single.Caller),
		"principal": text(&single.Principal),
		"time":      clock(&single.Time),
		"people":    peopleAnswer(&single.People),
		"request":   request(&single.Request),
		"expect":    expect(&single.Expect),
		"steps":     func(json.RawMessage, string) error { return nil }, // below, when the caller is known
	})(data, "")
	if err != nil {
		return nil, err
	}
	switch {
	case names["request"] && names["steps"]:
		return nil, errors.New("request and steps: a case has one of them")
	case names["request"]:
		c.Steps = []Step{single}
		return c, nil
	case !names["steps"]:
		return nil, errors.New("neither a request, which has a method, nor a case, which has a request or steps")
	case names["expect"] || names["time"] || names["people"]:
		return nil, errors.New("expect, people and time stand in each of the steps")
	}
	return c, steps(c, single, data)
}

// steps reads the steps of a case. Each may have a caller and a principal of its
// own.
func steps(c *Case, common Step, data []byte) error {
	return walk(data, "", func(name string, value json.RawMessage, at string) error {
		if name != "steps" {
			return nil
		}
		err := list(func(raw json.RawMessage, path string) error {
			step := newStep(common.Caller)
			step.Principal = common.Principal
			err := object(map[string]reader{
				"caller":    caller(&step.Caller),
				"principal": text(&step.Principal),
				"time":      clock(&step.Time),
				"people":    peopleAnswer(&step.People),
				"request":   request(&step.Request),
				"expect":    expect(&step.Expect),
			})(raw, path)
			if err == nil && step.Request.Method == "" {
				err = fmt.Errorf("%s.request: missing", path)
			}
			c.Steps = append(c.Steps, step)
			return err
		})(value, at)
		if err == nil && (len(c.Steps) == 0 || len(c.Steps) > maxSteps) {
			err = fmt.Errorf("steps: want 1 to %d, not %d", maxSteps, len(c.Steps))
		}
		return err
	})
}

// request reads a JSON-RPC request. What its parameters must be is for the
// decoder of the external API to say.
func request(to *Request) reader {
	return func(raw json.RawMessage, path string) error {
		ignored := func(json.RawMessage, string) error { return nil }
		err := object(map[string]reader{
			"jsonrpc": ignored,
			"id":      ignored,
			"method":  text(&to.Method),
			"params":  func(raw json.RawMessage, _ string) error { to.Params = raw; return nil },
		})(raw, path)
		if err == nil && to.Method == "" {
			return fmt.Errorf("%s: missing", join(path, "method"))
		}
		return err
	}
}

func chainIDs(to *[]uint64) reader {
	one := func(raw json.RawMessage, path string) error {
		id, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil || id == 0 {
			return wanted(path, "a chain id, a whole number from 1 without quotes", raw)
		}
		*to = append(*to, id)
		return nil
	}
	return func(raw json.RawMessage, path string) error {
		if strings.HasPrefix(string(raw), "[") {
			return list(one)(raw, path)
		}
		return one(raw, path)
	}
}

// accounts reads the signer's accounts: addresses, or objects with what a rule
// file sees of the key.
func accounts(to *[]rules.Account) reader {
	return func(raw json.RawMessage, path string) error {
		*to = []rules.Account{} // none is not any
		return list(func(raw json.RawMessage, path string) error {
			n := strconv.Itoa(len(*to) + 1)
			account := rules.Account{Vault: testVault, Key: "key-" + n, Version: n}
			read := address(&account.Address)
			if strings.HasPrefix(string(raw), "{") {
				read = object(map[string]reader{
					"address": address(&account.Address),
					"vault":   text(&account.Vault),
					"key":     text(&account.Key),
					"version": text(&account.Version),
					"tags":    textMap(&account.Tags),
				})
			}
			if err := read(raw, path); err != nil {
				return err
			}
			if account.Address == (common.Address{}) {
				return fmt.Errorf("%s: no address", path)
			}
			*to = append(*to, account)
			return nil
		})(raw, path)
	}
}

// Remote is a caller over HTTP on this machine.
func Remote() rules.Caller {
	return rules.Caller{Transport: "http", Remote: "127.0.0.1:50000", Local: "localhost:8550"}
}

// Local is the user of the IPC socket.
func Local() rules.Caller { return rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"} }

// caller reads who asks over HTTP; what it does not say is as a caller on this
// machine has it. Over IPC nothing more than that is known.
func caller(to *rules.Caller) reader {
	return func(raw json.RawMessage, path string) error {
		got := Remote()
		members := make(map[string]bool)
		err := walk(raw, path, func(name string, _ json.RawMessage, _ string) error { members[name] = true; return nil })
		if err != nil {
			return err
		}
		err = object(map[string]reader{
			"transport":  text(&got.Transport),
			"remote":     text(&got.Remote),
			"local":      text(&got.Local),
			"user_agent": text(&got.UserAgent),
			"origin":     text(&got.Origin),
		})(raw, path)
		switch {
		case err != nil:
			return err
		case got.Transport == "ipc" && len(members) > 1:
			return fmt.Errorf("%s: over ipc nothing is known of a caller: leave out everything but the transport", path)
		case got.Transport == "ipc":
			got = Local()
		case got.Transport != "http":
			return fmt.Errorf("%s.transport: %q is neither ipc nor http", path, got.Transport)
		}
		*to = got
		return nil
	}
}

// clock reads the time that the rule file is told.
func clock(to *time.Time) reader {
	return func(raw json.RawMessage, path string) error {
		var s string
		if err := text(&s)(raw, path); err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return wanted(path, "a time such as 2026-01-31T23:59:00Z", raw)
		}
		*to = at
		return nil
	}
}

// peopleAnswer reads what people answer who are asked.
func peopleAnswer(to *string) reader {
	return func(raw json.RawMessage, path string) error {
		if err := text(to)(raw, path); err != nil {
			return err
		}
		if *to != PeopleApprove && *to != PeopleReject {
			return wanted(path, PeopleApprove+" or "+PeopleReject+", which is what people answer when they are asked", raw)
		}
		return nil
	}
}

func expect(to *Expect) reader {
	return func(raw json.RawMessage, path string) error {
		to.Given = true
		return object(map[string]reader{
			"verdict":     verdict(&to.Verdict),
			"rule":        text(&to.Rule),
			"reason":      text(&to.Reason),
			"explanation": texts(&to.Explanation),
			"console":     texts(&to.Console),
			"storage":     textMap(&to.Storage),
			"listed":      addresses(&to.Listed),
		})(raw, path)
	}
}

func verdict(to *string) reader {
	return func(raw json.RawMessage, path string) error {
		var s string
		if err := text(&s)(raw, path); err != nil {
			return err
		}
		if err := CheckVerdict(s); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		*to = s
		return nil
	}
}

// CheckVerdict returns an error unless a text is the name of a verdict.
func CheckVerdict(s string) error {
	for _, known := range verdicts() {
		if s == known {
			return nil
		}
	}
	return fmt.Errorf("%q is no verdict: want one of %s%s", s, strings.Join(verdicts(), ", "), suggest.DidYouMean("", strings.ToLower(s), verdicts()))
}

func addresses(to *[]common.Address) reader {
	return func(raw json.RawMessage, path string) error {
		*to = []common.Address{}
		return list(func(raw json.RawMessage, path string) error {
			var a common.Address
			err := address(&a)(raw, path)
			*to = append(*to, a)
			return err
		})(raw, path)
	}
}
