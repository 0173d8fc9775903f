package hosting

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// Bounds of what a store keeps and a process runs.
const (
	MaxConfigurations = 256
	MaxServices       = 64
)

// maxConflicts bounds how often a change is decided anew because another process
// was quicker.
const maxConflicts = 8

// Config says what a registry works with. Records, Seal and Runner
// are required.
type Config struct {
	Records rules.Records
	Seal    *Seal
	Runner  Runner

	// Deleted is called when a service is deleted and nothing of it runs any more; nil:
	// nobody is told.
	Deleted func(id string)

	// Taken are the names that no configuration may have: those of the process's
	// own vaults.
	Taken []string

	// Replica is the name of this process among those that serve the same records; "":
	// it has them to itself.
	Replica string

	// UnderWay counts the transactions under way of a service by its records, whoever
	// sends them. It is required where replicas share them.
	UnderWay func(ctx context.Context, id string) (int, error)

	Logger *slog.Logger // default: discard
}

// Registry keeps configurations and services, and runs the services. It is safe
// for concurrent use.
type Registry struct {
	shelf  shelf
	runner Runner
	told   func(id string) // of a service that is deleted
	taken  []string
	log    *slog.Logger

	replica  string
	underWay func(ctx context.Context, id string) (int, error)

	changing sync.Mutex // one change of the store at a time

	mu     sync.RWMutex
	hosted map[string]*instance // by the id of the service
	closed bool

	busy  map[string]int // how many here make or delete a service
	seen  []byte         // the generation up to which everything is as others left it; nil: none
	looks int            // how often busy was changed

	begun   int // ever
	cancels map[int]context.CancelFunc
	work    sync.WaitGroup // what starts services
}

// Open returns a registry of what is in the store. It fails if anything there can't
// be opened with the seal. Nothing is started yet.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	if cfg.Records == nil || cfg.Seal == nil || cfg.Runner == nil {
		return nil, errors.New("hosting services takes records, a seal and a runner")
	}
	if cfg.Replica != "" && cfg.UnderWay == nil {
		return nil, errors.New("hosting services at several replicas takes what counts transactions under way")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Deleted == nil {
		cfg.Deleted = func(string) {}
	}
	r := &Registry{
		shelf: shelf{cfg.Records, cfg.Seal}, runner: cfg.Runner, told: cfg.Deleted, taken: slices.Clone(cfg.Taken), log: cfg.Logger,
		replica: cfg.Replica, underWay: cfg.UnderWay,
		hosted: make(map[string]*instance), busy: make(map[string]int), cancels: make(map[int]context.CancelFunc),
	}
	if r.shared() {
		if err := r.shelf.occupyHosted(ctx, r.replica); err != nil {
			return nil, err
		}
	}
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range kept.configurations {
		if r.isTaken(c.Name) {
			return nil, refuse(ErrInvalid, "the hosted configuration %s is called %q, as a vault of this process: give that another name", c.ID, c.Name)
		}
	}
	return r, nil
}

// isTaken reports whether a vault of the process has a name. Case alone does not
// tell two apart.
func (r *Registry) isTaken(name string) bool {
	return slices.ContainsFunc(r.taken, func(taken string) bool { return strings.EqualFold(taken, name) })
}

// change makes the changes that a function decides on, all or none.
func (r *Registry) change(ctx context.Context, decide func(*contents) ([]rules.Change, error)) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	for n := 1; ; n++ {
		kept, err := r.shelf.load(ctx)
		if err != nil {
			return err
		}
		changes, err := decide(kept)
		if err != nil {
			return err
		}
		if err = r.shelf.commit(ctx, kept, changes...); !errors.Is(err, rules.ErrConflict) || n == maxConflicts {
			return err
		}
	}
}

// CreateConfiguration keeps the configuration of a document in JSON.
func (r *Registry) CreateConfiguration(ctx context.Context, scope Scope, document []byte) (made Configuration, err error) {
	parsed, err := config.ParseHosted(document)
	if err != nil {
		return Configuration{}, refuse(ErrInvalid, "the configuration: %w", err)
	}
	if r.isTaken(parsed.Name) {
		return Configuration{}, refuse(ErrInUse, "a vault of this process is called %q: choose another name", parsed.Name)
	}
	err = r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if len(kept.configurations) >= MaxConfigurations {
			return nil, refuse(ErrInUse, "there are %d configurations, the most that there may be: delete one", MaxConfigurations)
		}
		for _, other := range kept.configurations {
			if strings.EqualFold(other.Name, parsed.Name) {
				return nil, refuse(ErrInUse, "a configuration is called %q already: choose another name", parsed.Name)
			}
		}
		entry := newRecord(scope, parsed)
		if made, err = configurationOf(freeID(kept.configurations), entry); err != nil {
			return nil, err
		}
		put, err := put(&r.shelf, keyConfiguration+made.ID, entry)
		return []rules.Change{put}, err
	})
	if err != nil {
		return Configuration{}, err
	}
	r.log.InfoContext(ctx, "Hosted configuration created", "id", made.ID, "name", made.Name, "vault", made.Vault.URL,
		"consortium", scope.Consortium, "environment", scope.Environment)
	return made, nil
}

// freeID returns an id that nothing has.
func freeID[T any](taken map[string]T) string {
	for {
		id := newID()
		if _, ok := taken[id]; !ok {
			return id
		}
	}
}

// Configurations returns those of a scope, the oldest first.
func (r *Registry) Configurations(ctx context.Context, scope Scope) ([]Configuration, error) {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Configuration, 0, len(kept.configurations))
	for _, c := range kept.configurations {
		if c.Scope == scope {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Configuration) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// Configuration returns one of a scope.
func (r *Registry) Configuration(ctx context.Context, scope Scope, id string) (Configuration, error) {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return Configuration{}, err
	}
	return kept.configuration(scope, id)
}

func (c *contents) configuration(scope Scope, id string) (Configuration, error) {
	found, ok := c.configurations[id]
	if !ok || found.Scope != scope {
		return Configuration{}, refuse(ErrNotFound, "no configuration here has the id %.100q", id)
	}
	return found, nil
}

// DeleteConfiguration removes one that no service uses.
func (r *Registry) DeleteConfiguration(ctx context.Context, scope Scope, id string) error {
	err := r.change(ctx, func(kept *contents) ([]rules.Change, error) {
		if _, err := kept.configuration(scope, id); err != nil {
			return nil, err
		}
		for _, service := range kept.services {
			if service.Details.CloudHSMID == id {
				return nil, refuse(ErrInUse, "the configuration is used by the service %s: delete that first", service.ID)
			}
		}
		return []rules.Change{kept.remove(keyConfiguration + id)}, nil
	})
	if err == nil {
		r.log.InfoContext(ctx, "Hosted configuration deleted", "id", id, "consortium", scope.Consortium, "environment", scope.Environment)
	}
	return err
}
