package bolt

import "github.com/kvclef/kvclef/rules"

// transaction makes changes in the transaction that goes on, or in a new one, and
// commits it unless all of them can wait.
func (w *writer) transaction(batch []*change, hurry bool) (more bool, err error) {
	var lapsed []rules.HoldID
	err = guard(func() error {
		t, err := w.begin()
		if err != nil {
			return err
		}
		if more, err = w.apply(t, batch); err != nil {
			return err
		}
		if !hurry && !more && w.mayWait(batch) {
			w.promise(batch)
			return nil
		}
		if err := w.commit(t); err != nil {
			return err
		}
		lapsed = t.lapsed
		return nil
	})
	if err != nil {
		begun := w.number
		w.rollBack()
		w.failed = true
		if r := w.relied.Load(); r != nil {
			r.seq.Store(0) // whether it was noted is not known
		}
		if begun != 0 {
			w.examine(begun, err)
		}
		return false, err
	}
	w.lapsed(lapsed)
	return more, nil
}

// begin returns the transaction that goes on, or begins one, in which what was
// promised is made again if it was lost.
func (w *writer) begin() (*tables, error) {
	if w.open != nil {
		return w.open, w.identity.still()
	}
	tx, err := w.db.Begin(true)
	if err != nil {
		return nil, err
	}
	w.open, w.number = &tables{tx: tx}, tx.ID()
	if err := w.identity.check(number(tx) - 1); err != nil {
		return nil, err
	}
	if w.open, err = newTables(tx); err != nil {
		return nil, err
	}
	w.open.kept, w.open.most = w.kept, w.most
	for _, r := range w.promised {
		if err := w.open.restore(r); err != nil {
			return nil, err
		}
	}
	return w.open, nil
}

// commit makes the transaction durable, and ends it.
func (w *writer) commit(t *tables) error {
	if !t.changed {
		w.rollBack()
		w.behind.Store(false)
		return nil
	}
	if err := w.note(t); err != nil {
		return err
	}
	if err := t.save(); err != nil {
		return err
	}
	w.at("store.before-commit")
	if err := t.tx.Commit(); err != nil {
		return err
	}
	w.identity.last.Store(uint64(w.number))
	w.kept = t.kept
	w.at("store.after-commit")
	w.open, w.number, w.waiting, w.promised, w.failed = nil, 0, 0, nil, false
	w.behind.Store(false)
	return nil
}

// rollBack ends the transaction that goes on, if there is one, without it.
func (w *writer) rollBack() {
	if w.open != nil {
		_ = guard(w.open.tx.Rollback) // of one that ended it does nothing
		w.open, w.number, w.waiting = nil, 0, 0
	}
}

// apply makes the changes in the transaction. More says that there are charges
// left that have expired: then it has made none.
func (w *writer) apply(t *tables, batch []*change) (more bool, err error) {
	for _, c := range batch {
		if !c.dated {
			continue
		}
		if err := w.date(t); err != nil {
			return false, err
		}
		if more, err := t.expire(maxExpired); more || err != nil {
			return more, err
		}
		break
	}
	for _, c := range batch {
		if err := c.apply(t); err != nil {
			return false, err
		}
	}
	return false, nil
}
