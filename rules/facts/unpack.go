package facts

import (
	"fmt"
	"strconv"
)

// Bounds of unpacking.
const (
	MaxDepth   = 4   // how deep actions may lie within the outermost
	MaxActions = 256 // of a request
	MaxEffects = 256 // of all actions of a request
)

// actionsOf decodes an action and all that lies within it.
func actionsOf(outermost Action) []Action {
	u := &unpacker{}
	u.add(outermost)
	return u.actions
}

// unpacker collects actions, depth first.
type unpacker struct {
	actions []Action
	effects int
}

// add decodes an action and what it unpacks to. It returns false when there are
// too many.
func (u *unpacker) add(a Action) bool {
	if len(u.actions) >= MaxActions {
		return false
	}
	at := len(u.actions)
	u.actions = append(u.actions, a)
	within := decode(&u.actions[at])
	if len(within.actions) > 0 && a.Depth == MaxDepth {
		within.opaque = fmt.Sprintf("calls within calls are looked at down to %d levels", MaxDepth)
		within.actions = nil
	}
	if effects := u.actions[at].Effects; len(effects) > MaxEffects-u.effects {
		within.opaque = fmt.Sprintf("more than %d tokens are moved or handed over", MaxEffects)
		u.actions[at].Effects = effects[:MaxEffects-u.effects]
	}
	u.effects += len(u.actions[at].Effects)
	for _, child := range within.actions {
		child.Depth = a.Depth + 1
		child.Path = join(a.Path, child.Path)
		if !u.add(child) {
			within.opaque = fmt.Sprintf("it makes more than %d calls", MaxActions)
			break
		}
		u.actions[at].Inner++
	}
	u.actions[at].Opaque = within.opaque
	return true
}

// decode fills in what an action's data means, and returns what lies within.
func decode(a *Action) inner {
	switch {
	case a.To == nil:
		// A creation. What its code calls it calls in the name of the new contract,
		// as the code of any contract does that is called.
		a.Decoding = None
		if len(a.Data) > 0 {
			a.Decoding = Other
		}
		return inner{}
	case len(a.Data) == 0:
		a.Decoding = None
		return foreign(a)
	case len(a.Data) < 4:
		a.Decoding = Unknown
		return foreign(a)
	}
	known, ok := methods()[[4]byte(a.Data)]
	if !ok {
		a.Decoding = Other
		return foreign(a)
	}
	a.Name = known.RawName
	unpacked, err := known.Unpack(a.Data)
	if err != nil {
		a.Decoding = Unknown
		if known.inner != nil || a.Delegate {
			return inner{opaque: fmt.Sprintf("the arguments of %s do not fit", known.RawName)}
		}
		return inner{}
	}
	a.Decoding = Known
	a.Call = known.Call(unpacked)
	if known.effects != nil {
		a.Effects = known.effects(a, unpacked)
	}
	if known.inner == nil {
		return foreign(a)
	}
	within := known.inner(a, unpacked)
	if a.Delegate && !isBatch(known, *a.To) {
		within.opaque = foreign(a).opaque
	}
	return within
}

// foreign says that a delegate call runs code which nothing is known of.
func foreign(a *Action) inner {
	if a.Delegate {
		return inner{opaque: "a delegate call runs foreign code with the powers of the caller"}
	}
	return inner{}
}

// join makes the path of an action from that of the one around it.
func join(outer, path string) string {
	if outer == "" {
		return path
	}
	return outer + "." + path
}

// nth is the path of the nth call of a batch.
func nth(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }
