package emulator

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// vault holds the keys of one vault. Versions are never modified, only replaced,
// so that what a reader took stays valid without a lock.
type vault struct {
	name   string
	flavor Flavor
	limit  *window

	mu      sync.RWMutex
	keys    map[string]*key // by lower-case name: names are case-insensitive
	names   []string        // of keys, lower-case, sorted
	deleted map[string]*key
}

// key is a name and its versions. A key in the map is changed only under the
// vault's lock.
type key struct {
	name     string
	versions []*version // in order of creation: the last is the current one
	policy   *rotationPolicy
	managed  bool // belongs to a certificate
	// Of a deleted key:
	deletedAt, purgeAt time.Time
}

// version is one version of a key.
type version struct {
	id       string
	material *material
	hsm      bool
	ops      []string
	tags     map[string]string
	enabled  bool
	nbf, exp *int64 // Unix seconds
	created  int64
	updated  int64
}

func newVault(o VaultOptions) *vault {
	return &vault{name: o.Name, flavor: o.Flavor, limit: newWindow(o.Limit), keys: map[string]*key{}, deleted: map[string]*key{}}
}

// find returns a key and one of its versions; "" is the current one.
func (v *vault) find(name, versionID string) (*key, *version, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	k := v.keys[strings.ToLower(name)]
	if k == nil {
		return nil, nil, false
	}
	i := k.index(versionID)
	if i < 0 {
		return nil, nil, false
	}
	return k, k.versions[i], true
}

func (k *key) index(versionID string) int {
	if versionID == "" {
		return len(k.versions) - 1
	}
	return slices.IndexFunc(k.versions, func(v *version) bool { return v.id == versionID })
}

func (k *key) current() *version { return k.versions[len(k.versions)-1] }

// add makes ver the current version of name. The caller holds the lock.
func (v *vault) add(name string, ver *version, managed bool) (*key, error) {
	id := strings.ToLower(name)
	if v.deleted[id] != nil {
		return nil, deletedName(name)
	}
	k := v.keys[id]
	if k == nil {
		k = &key{name: name, managed: managed}
		v.insert(k)
	}
	k.versions = append(k.versions, ver)
	return k, nil
}

func (v *vault) insert(k *key) {
	id := strings.ToLower(k.name)
	i, _ := slices.BinarySearch(v.names, id)
	v.names = slices.Insert(v.names, i, id)
	v.keys[id] = k
}

// retention is how long a deleted key can be recovered.
const retentionDays = 7

// remove moves a key to the deleted ones. The caller holds the lock.
func (v *vault) remove(name string) (*key, bool) {
	id := strings.ToLower(name)
	k := v.keys[id]
	if k == nil {
		return nil, false
	}
	delete(v.keys, id)
	if i, ok := slices.BinarySearch(v.names, id); ok {
		v.names = slices.Delete(v.names, i, i+1)
	}
	k.deletedAt = time.Now()
	k.purgeAt = k.deletedAt.AddDate(0, 0, retentionDays)
	v.deleted[id] = k
	return k, true
}

// change runs f under the vault's lock and, when it succeeds, keeps the result in
// the state file before it returns. A change that could not be kept is an error
// though it is in memory: the next one that is kept includes it.
func (s *Server) change(v *vault, f func() error) error {
	if s.state != nil {
		s.state.mu.Lock()
		defer s.state.mu.Unlock()
	}
	v.mu.Lock()
	err := f()
	v.mu.Unlock()
	if err != nil || s.state == nil {
		return err
	}
	return s.state.save(s.vaults)
}
