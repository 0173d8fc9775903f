package policy

import "github.com/ethereum/go-ethereum/common"

// maxLocated is how many different members of calls and messages matches are
// found by: each costs a little time of every decision.
const maxLocated = 16

// memberIndex finds matches by an address in a call or in a message.
type memberIndex struct {
	at        *located
	about     level
	addresses map[common.Address]bitmap
	rest      bitmap // those that do not compare it
}

// addMember notes for which addresses in a call or a message a match may hold.
// That is for allow rules alone: what is unknown may match a rule that denies.
func (x *index) addMember(i int, part predicate, about level) {
	narrow, ok := part.(narrowing)
	if !ok || !x.every {
		return
	}
	k := narrow.narrows()
	if k.by != byMember || len(k.addresses) > maxKeys {
		return
	}
	m := x.member(k.member, about)
	if m == nil || !m.rest.has(i) {
		return // another comparison of it is there
	}
	m.rest.clear(i)
	for _, key := range k.addresses {
		setIn(m.addresses, key, i, x.size)
	}
}

// member returns the index of a member, nil if there are too many.
func (x *index) member(at *located, about level) *memberIndex {
	for _, m := range x.members {
		if m.at.name == at.name {
			return m
		}
	}
	if len(x.members) == maxLocated {
		return nil
	}
	m := &memberIndex{at: at, about: about, addresses: make(map[common.Address]bitmap), rest: make(bitmap, x.size)}
	for i := range m.rest {
		m.rest[i] = ^uint64(0)
	}
	x.members = append(x.members, m)
	return m
}

// may returns the matches that compare a member and may hold, and whether all may.
func (m *memberIndex) may(s *subject) (only bitmap, all bool) {
	if m.about == aboutAction {
		if len(s.Actions) == 0 {
			return nil, false
		}
		s.at(&s.Actions[0])
		defer s.reset()
	}
	address, known := m.at.address(s)
	if known == isTrue {
		only = m.addresses[address]
	}
	return only, known == unknown
}
