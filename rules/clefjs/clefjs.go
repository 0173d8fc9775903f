// Package clefjs runs the rule files of Clef: JavaScript that approves or
// rejects requests, unchanged.
//
// A file is compiled once. Every call runs in a machine of its own, which is
// made ahead of the request, so that nothing is left from one call to the
// next but what the file puts into its storage. Calls are serializable: what
// one reads and writes never interleaves with another, and from ApproveTx to
// OnApprovedTx only one request is between the two.
//
// The package never signs and never changes a request. A file that fails,
// loops, recurses, allocates without end or answers anything but "Approve" or
// "Reject" approves nothing.
package clefjs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules"
)

// The functions that a rule file may define.
const (
	approveTx       = "ApproveTx"
	approveListing  = "ApproveListing"
	approveSignData = "ApproveSignData"
	onApprovedTx    = "OnApprovedTx"
	onSignerStartup = "OnSignerStartup"
)

// Options of a rule file. The zero value of each is its default.
type Options struct {
	// Storage keeps what the file puts there; nil: storage.get and storage.put
	// throw.
	Storage rules.Storage

	Logger *slog.Logger // nil: nothing is logged

	// Timeout bounds one call, and the file's top level, by the clock; 1 s. It
	// is at most MaxTimeout.
	Timeout time.Duration

	// Now is the clock of scripts; nil: the wall clock. It may be called by
	// several goroutines at a time.
	Now func() time.Time

	// WaitTimeout bounds how long a call waits for its turn at the storage, and
	// for other calls to end when many run; 10 s each.
	WaitTimeout time.Duration

	// MemoryLimit is by how many bytes the heap may grow while a call runs;
	// 64 MiB, and never more. What all calls use counts together.
	MemoryLimit uint64

	// Room is for how many more bytes of garbage there is room before it is
	// collected, at most MaxRoom; none. Machines make much garbage, and calls take less
	// time when it is collected more rarely. Where memory has a limit (GOMEMLIMIT) there
	// is none either way. One rule file of a process should have it.
	Room uint64

	// Console gets what the file writes with console.log (level "log") and
	// console.error ("error"); nil: the logger does. It may be called by
	// several goroutines at a time.
	Console func(level, text string)
}

// withDefaults returns the options with defaults in place of zero values.
func (o Options) withDefaults() (Options, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = 10 * time.Second
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = MaxMemory
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout < 0 || o.Timeout > MaxTimeout {
		return o, fmt.Errorf("the time limit of a rule file is %s: it is at most %s", o.Timeout, MaxTimeout)
	}
	if o.MemoryLimit > MaxMemory {
		return o, fmt.Errorf("the memory limit of a rule file is %d bytes: it is at most %d", o.MemoryLimit, uint64(MaxMemory))
	}
	if o.Room > MaxRoom {
		return o, fmt.Errorf("the room for a rule file's garbage is %d bytes: it is at most %d", o.Room, uint64(MaxRoom))
	}
	if o.WaitTimeout < 0 {
		return o, fmt.Errorf("the wait for the storage is %s: it can't be negative", o.WaitTimeout)
	}
	return o, nil
}

// Ruleset is a loaded rule file. It is safe for concurrent use.
type Ruleset struct {
	name    string
	options Options
	program *goja.Program
	lookups map[string]*goja.Program // function name → the expression that reads it
	words   *vocabulary
	library *library
	guard   *guard
	places  places
	pool    *pool
	room    *room
	defined []string
}

var _ rules.Rule = (*Ruleset)(nil)

// Load compiles a rule file and runs its top level once. The name is for
// messages, such as "rules.js"; an error gives file, line and column where
// there is one. Close ends what Load starts.
func Load(name string, source []byte, options Options) (*Ruleset, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	name = printable(name)
	bigNumber, err := compileLibrary() // before the file: it sets a limit
	if err != nil {
		return nil, fmt.Errorf("compiling bignumber.js: %w", err)
	}
	file, err := compileInTime(name, source, compileWithin)
	if err != nil {
		return nil, fmt.Errorf("loading rule file: %w", err)
	}
	r := &Ruleset{
		name:    name,
		options: options,
		program: file.program,
		lookups: make(map[string]*goja.Program),
		words:   file.words,
		// In a file that does not name it, it is evaluated only when it is read.
		library: &library{bigNumber: bigNumber, eager: strings.Contains(file.words.text, "BigNumber")},
		guard:   newGuard(options.Timeout, options.MemoryLimit),
		places:  newPlaces(),
	}
	functions := []string{approveTx, approveListing, approveSignData, onApprovedTx, onSignerStartup}
	for _, function := range functions {
		// As a global of any kind: a function declaration, var, let or const.
		lookup, err := goja.Compile("", "typeof "+function+` === "function" ? `+function+" : undefined", false)
		if err != nil {
			return nil, fmt.Errorf("compiling the look-up of a function: %w", err)
		}
		r.lookups[function] = lookup
	}
	inCall, err := r.rehearse(functions)
	if err != nil {
		return nil, fmt.Errorf("loading rule file: %w", err)
	}
	ready := 2 * runtime.GOMAXPROCS(0)
	if inCall {
		ready = 0
	}
	r.room = newRoom(options.Room)
	r.pool = newPool(ready, r.prepare)
	return r, nil
}

// rehearse runs the top level as a call does, finds what the file defines, and
// forgets what it put into the storage. It is true if the top level uses the
// storage or the clock, so that it has to run inside each call.
func (r *Ruleset) rehearse(functions []string) (inCall bool, err error) {
	ctx := context.Background()
	s := r.session(ctx)
	defer s.rollback()
	m := r.newMachine()
	err = r.guard.run(ctx, m, func() error {
		m.enter(s)
		if err := m.load(); err != nil {
			return described(m, err)
		}
		for _, function := range functions {
			if _, ok := m.function(function); ok {
				r.defined = append(r.defined, function)
			}
		}
		return nil
	})
	if err = errors.Join(s.failure(), err); err != nil {
		return false, r.explain(err)
	}
	return m.impure, nil
}

// Functions returns the names of the functions of Clef's that the file defines.
func (r *Ruleset) Functions() []string { return slices.Clone(r.defined) }

// defines tells whether the file defines a function.
func (r *Ruleset) defines(function string) bool { return slices.Contains(r.defined, function) }

// Close ends the preparation of machines, and lets go of the room. Calls under way
// go on; further ones prepare their own.
func (r *Ruleset) Close() {
	r.pool.close()
	r.room.close()
}
