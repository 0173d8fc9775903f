package proxy

import "strconv"

// answer is an answer of the node. Its parts point into it.
type answer struct {
	raw  []byte
	id   []byte // JSON; nil if absent
	idAt int    // where id is in raw
	fit  bool   // has a result or an error
	fail bool   // has an error
}

// readAnswers reads one answer, or several in an array, of which it returns the
// first that have an id, at most as many as may be wanted. False: the text is not
// JSON.
func readAnswers(text []byte, most int) (answers []answer, batch, ok bool) {
	s := &scanner{data: text}
	if !s.take('[') {
		a, ok := s.answer()
		return []answer{a}, false, ok && s.peek() == 0 && s.at == len(text)
	}
	for end := s.take(']'); !end; {
		a, ok := s.answer()
		if !ok {
			return nil, true, false
		}
		if a.id != nil && len(answers) < most {
			answers = append(answers, a)
		}
		if end = s.take(']'); !end && !s.take(',') {
			return nil, true, false
		}
	}
	return answers, true, s.peek() == 0 && s.at == len(text)
}

// answer consumes one value and reads it as an answer.
func (s *scanner) answer() (a answer, ok bool) {
	s.depth = maxAnswerDepth
	if s.peek() != '{' {
		_, ok = s.value()
		return a, ok
	}
	start := s.at
	s.at++
	for end := s.take('}'); !end; {
		name, value, ok := s.pair()
		if !ok {
			return a, false
		}
		switch string(name) {
		case `"id"`:
			a.id, a.idAt = value, s.at-len(value)-start
		case `"result"`:
			a.fit = true
		case `"error"`:
			a.fit, a.fail = true, a.fail || string(value) != "null"
		}
		if end = s.take('}'); !end && !s.take(',') {
			return a, false
		}
	}
	a.raw = s.data[start:s.at]
	return a, true
}

// under is the answer under the caller's id.
func (a *answer) under(id []byte) []byte { return splice(a.raw, a.idAt, len(a.id), id) }

// to is the reply that a caller gets under its id.
func (a *answer) to(id []byte) reply {
	switch {
	case !a.fit:
		return failed(id, errNodeGarbage)
	case a.fail:
		return reply{text: a.under(id), outcome: OutcomeError}
	default:
		return reply{text: a.under(id), outcome: OutcomeOK}
	}
}

// forAll reports whether the answer is an error that the node ascribes to no
// call: it is about the message.
func (a *answer) forAll() bool { return a.fail && string(a.id) == "null" }

// maxForAll bounds an error that each call of a message gets, in bytes.
const maxForAll = 8 << 10

// toEach is an answer for all as one caller gets it under its id.
func (a *answer) toEach(id []byte) reply {
	if len(a.raw) > maxForAll {
		return failed(id, errNodeLarge)
	}
	return reply{text: a.under(id), outcome: OutcomeError}
}

// numberOf returns the id that a call had been given, 0 if it is none.
func numberOf(id []byte) uint64 {
	number, err := strconv.ParseUint(string(id), 10, 64)
	if err != nil {
		return 0
	}
	return number
}

// sortAnswers returns the reply to each call, under its own id, from the
// node's answer to all of them under the ids from 1 on. A call without an
// answer gets an error.
func sortAnswers(text []byte, calls []message) []reply {
	answers, _, ok := readAnswers(text, len(calls))
	if !ok {
		return failAll(calls, errNodeGarbage)
	}
	sorted := sentOnly(calls)
	for i := range answers {
		index := numberOf(answers[i].id) - 1
		if index < uint64(len(calls)) && calls[index].id != nil && sorted[index].text == nil {
			sorted[index] = answers[i].to(calls[index].id)
		}
	}
	alone := len(answers) == 1 && answers[0].forAll()
	for i := range calls {
		switch {
		case calls[i].id == nil || sorted[i].text != nil:
		case alone:
			sorted[i] = answers[0].toEach(calls[i].id)
		case len(calls) == 1:
			sorted[i] = failed(calls[i].id, errNodeGarbage)
		default:
			sorted[i] = failed(calls[i].id, errNodeOmitted)
		}
	}
	return sorted
}
