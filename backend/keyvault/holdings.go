package keyvault

import (
	"slices"
	"strings"

	"github.com/kvclef/kvclef/backend"
)

// holdings are what a vault is known to hold. They are never modified.
type holdings struct {
	entries    []*entry // in the order of compareEntries
	byVersion  map[identifier]*entry
	byName     map[string][]*entry
	skipped    []*Skipped
	judged     map[identifier]*Skipped // by folded identifier: versions that can never be accounts
	generation uint64
}

func newHoldings(surveys []*survey, old *holdings) *holdings {
	var entries []*entry
	var skipped []*Skipped
	for _, s := range surveys {
		if s.candidate.skipped != nil {
			skipped = append(skipped, s.candidate.skipped)
		}
		skipped = append(skipped, s.skipped...)
		for _, e := range s.entries {
			entries = append(entries, e)
		}
	}
	return index(entries, skipped, old)
}

func index(entries []*entry, skipped []*Skipped, old *holdings) *holdings {
	h := &holdings{
		skipped: skipped, generation: old.generation + 1,
		byVersion: make(map[identifier]*entry, len(entries)), byName: make(map[string][]*entry, len(entries)),
	}
	for _, e := range entries {
		if h.byVersion[e.id().fold()] != nil {
			continue
		}
		h.entries = append(h.entries, e)
		h.byVersion[e.id().fold()] = e
		name := strings.ToLower(e.account.Key)
		h.byName[name] = append(h.byName[name], e)
	}
	slices.SortFunc(h.entries, compareEntries)
	h.judged = judgements(skipped)
	return h
}

// judgements are those reasons to skip a version that stay true: its type and
// its curve never change.
func judgements(skipped []*Skipped) map[identifier]*Skipped {
	judged := make(map[identifier]*Skipped)
	for _, s := range skipped {
		if s.Version != "" && (s.Kind == SkipType || s.Kind == SkipCurve) {
			judged[identifier{s.Key, s.Version}.fold()] = s
		}
	}
	return judged
}

// with returns holdings with one more entry.
func (h *holdings) with(e *entry) *holdings {
	return index(append(slices.Clone(h.entries), e), h.skipped, h)
}

// without returns holdings with one entry less.
func (h *holdings) without(id identifier) *holdings {
	entries := slices.DeleteFunc(slices.Clone(h.entries), func(e *entry) bool { return e.id().fold() == id.fold() })
	return index(entries, h.skipped, h)
}

func (h *holdings) find(id identifier) *entry { return h.byVersion[id.fold()] }

func (h *holdings) ofKey(name string) []*entry { return h.byName[strings.ToLower(name)] }

func (h *holdings) knows(name string) bool { return len(h.ofKey(name)) > 0 }

func (h *holdings) accounts() []backend.Account {
	accounts := make([]backend.Account, len(h.entries))
	for i, e := range h.entries {
		accounts[i] = e.account.Clone()
	}
	return accounts
}

// maxLines bounds the lines that one reading logs of a kind.
const maxLines = 100

// logChanges logs what a reading found, once for each change.
func (v *Vault) logChanges(old, next *holdings) {
	lines, known := 0, make(map[Skipped]bool, len(old.skipped))
	for _, s := range old.skipped {
		known[*s] = true
	}
	for _, s := range next.skipped {
		if known[*s] {
			continue
		}
		if lines++; lines <= maxLines {
			id := identifier{s.Key, s.Version}
			v.logger.Warn("key skipped", "key", id.String(), "reason", s.Reason)
		}
	}
	if lines > maxLines {
		v.logger.Warn("more keys skipped", "count", lines-maxLines)
	}
	for _, e := range old.entries {
		if next.find(e.id()) == nil {
			v.logger.Warn("account gone from the vault", "address", e.account.Address.Hex(), "key", e.id().String())
		}
	}
	added := 0
	for _, e := range next.entries {
		if old.find(e.id()) == nil {
			added++
			v.logger.Debug("account found", "address", e.account.Address.Hex(), "key", e.id().String())
		}
	}
	if added > 0 || len(old.entries) != len(next.entries) {
		v.logger.Info("vault read", "accounts", len(next.entries), "new", added, "skipped", len(next.skipped))
	}
	if len(next.entries) == 0 {
		v.logger.Warn("the vault holds no key that can be an account: create one with kty EC and curve P-256K")
	}
}
