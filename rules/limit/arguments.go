package limit

import (
	"fmt"
	"slices"

	"github.com/kvclef/kvclef/rules/facts"
)

// each is an item for each of some arguments.
func each(arguments []string, of item) []item {
	items := make([]item, len(arguments))
	for i, argument := range arguments {
		items[i] = of
		items[i].argument = argument
	}
	return items
}

// argumentsOf are what an action counts for: the argument of its call, or if it calls
// another method, each in the request. What a call sends along may be for one within
// it, and what one within moves is what the call around it asks for.
func (m *measuring) argumentsOf(a *facts.Action) ([]string, error) {
	argument, err := m.argumentOf(a)
	if err != nil {
		return nil, err
	}
	if argument != none {
		return []string{argument}, nil
	}
	return m.allArguments()
}

// allArguments are those of all calls of the method that the limit is kept apart for,
// or none.
func (m *measuring) allArguments() ([]string, error) {
	if !m.per[PerArgument] {
		return []string{none}, nil
	}
	for i := 0; i < len(m.facts.Actions) && !m.sought; i++ {
		argument, err := m.argumentOf(&m.facts.Actions[i])
		if err != nil {
			return nil, err
		}
		if argument != none && !slices.Contains(m.found, argument) {
			m.found = append(m.found, argument)
		}
	}
	m.sought = true
	if len(m.found) == 0 {
		return []string{none}, nil
	}
	return m.found, nil
}

// argumentOf is the argument of a call of the method that the limit is kept
// apart for, or none.
func (m *measuring) argumentOf(a *facts.Action) (string, error) {
	if !m.per[PerArgument] {
		return none, nil
	}
	value, ok, err := m.argument(a)
	if err != nil || !ok {
		return none, err
	}
	return textOf(value), nil
}

// argument is the value of the argument; false if the action is no call of the
// method.
func (m *measuring) argument(a *facts.Action) (value any, ok bool, err error) {
	if a.Opaque != "" {
		return nil, false, fmt.Errorf("%s may hide calls of %s: %s", at(a), m.method.Sig, a.Opaque)
	}
	if a.To == nil || len(a.Data) < 4 || [4]byte(a.Data) != m.method.Selector() {
		return nil, false, nil
	}
	if a.Call != nil && a.Call.Method == m.method.Sig {
		return a.Call.Arguments[m.place], true, nil
	}
	values, err := m.method.Unpack(a.Data)
	if err != nil {
		return nil, false, fmt.Errorf("%s does not fit %s", at(a), m.method.Sig)
	}
	return values[m.place], true, nil
}
