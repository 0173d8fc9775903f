package emulator

import (
	"slices"
	"time"
)

// delete is DELETE /keys/NAME: the key can be recovered until it is purged.
func (s *Server) delete(c *call) (any, error) {
	var reply deletedBundle
	err := s.change(c.target.vault, func() error {
		k, ok := c.target.vault.remove(c.name)
		if !ok {
			return keyNotFound(c)
		}
		reply = c.deletedBundle(k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// deletedGet is GET /deletedkeys/NAME.
func (s *Server) deletedGet(c *call) (any, error) {
	v := c.target.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	k := v.deleted[lower(c.name)]
	if k == nil {
		return nil, keyNotFound(c)
	}
	return c.deletedBundle(k), nil
}

// recover is POST /deletedkeys/NAME/recover.
func (s *Server) recover(c *call) (any, error) {
	var reply keyBundle
	v := c.target.vault
	err := s.change(v, func() error {
		k := v.deleted[lower(c.name)]
		if k == nil {
			return keyNotFound(c)
		}
		delete(v.deleted, lower(c.name))
		k.deletedAt, k.purgeAt = time.Time{}, time.Time{}
		v.insert(k)
		reply = c.bundle(k, k.current())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// purge is DELETE /deletedkeys/NAME: the key is gone, its name free.
func (s *Server) purge(c *call) error {
	v := c.target.vault
	return s.change(v, func() error {
		if v.deleted[lower(c.name)] == nil {
			return keyNotFound(c)
		}
		delete(v.deleted, lower(c.name))
		return nil
	})
}

// deletedList is GET /deletedkeys.
func (s *Server) deletedList(c *call, fault *Fault) (any, error) {
	v := c.target.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	names := make([]string, 0, len(v.deleted))
	for name := range v.deleted {
		names = append(names, name)
	}
	slices.Sort(names)
	return s.page(c, fault, names, func(name string) keyItem {
		k := v.deleted[name]
		item := c.item(k, k.current(), "")
		item.RecoveryID = c.recoveryID(k.name)
		item.DeletedDate = k.deletedAt.Unix()
		item.ScheduledPurgeDate = k.purgeAt.Unix()
		return item
	})
}
