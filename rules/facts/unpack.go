package facts

import (
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
)

// Bounds of unpacking.
const (
	MaxDepth   = 4   // how deep actions may lie within the outermost
	MaxActions = 256 // of a request
	MaxEffects = 256 // of all actions of a request
)

// actionsOf decodes an action that an account signs, and all that lies within it.
func actionsOf(signer common.Address, outermost Action) []Action {
	u := &unpacker{signer: signer}
	u.add(outermost)
	return u.actions
}

// unpacker collects actions, depth first.
type unpacker struct {
	signer  common.Address
	actions []Action
	effects int

	// around are who is called and in whose name, by the depth of the action that is
	// unpacked and of those around it.
	around [MaxDepth + 1][2]common.Address
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
	if a.To != nil {
		u.around[a.Depth] = [2]common.Address{a.From, *a.To}
	}
	for _, child := range within.actions {
		child.Depth = a.Depth + 1
		child.Path = join(a.Path, child.Path)
		if child.Forwarded {
			u.pass(&child)
		}
		place := len(u.actions)
		added := u.add(child)
		u.reclaim(place)
		if !added {
			within.opaque = fmt.Sprintf("it makes more than %d calls", MaxActions)
			break
		}
		u.actions[at].Inner++
	}
	u.actions[at].Opaque = within.opaque
	return true
}

// pass is for an action that another one says it only passes on. It is done with
// the powers of who sends it after all if ether goes with it, or if it is done in
// the name of somebody around it: the account may have signed that too.
func (u *unpacker) pass(child *Action) {
	around := u.around[child.Depth-1]
	if forwarder := around[1]; u.owns(forwarder) {
		// The account runs the code of a forwarder (EIP-7702). Who does not trust that
		// takes the call for the account's own.
		child.From = forwarder
	}
	child.Forwarded = child.Value.IsZero() && !u.stands(child.From, child.Depth)
}

// reclaim is for an action that was added with all that lies within it, the last
// ones: if one of those is done in the name of somebody around it, it is not only
// passed on.
func (u *unpacker) reclaim(place int) {
	if place >= len(u.actions) || !u.actions[place].Forwarded {
		return
	}
	for i := range u.actions[place+1:] {
		if u.stands(u.actions[place+1+i].From, u.actions[place].Depth) {
			u.actions[place].Forwarded = false
			return
		}
	}
}

// owns tells whether an address is of who signs, or in whose name it is signed.
func (u *unpacker) owns(address common.Address) bool {
	return address == u.signer || address == u.around[0][0]
}

// stands tells whether an address is of who signs, or of who calls or is called
// around a depth.
func (u *unpacker) stands(address common.Address, depth int) bool {
	if address == u.signer {
		return true
	}
	for _, pair := range u.around[:depth] {
		if address == pair[0] || address == pair[1] {
			return true
		}
	}
	return false
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
