package passkey

import (
	"context"
	"errors"

	"github.com/kvclef/kvclef/extapi/console"
	"github.com/kvclef/kvclef/rules"
)

// Of is whose a passkey is.
type Of struct {
	Person string
	console.Passkey
}

// List returns the passkeys of a person, the oldest first.
func (p *Passkeys) List(ctx context.Context, person string) ([]console.Passkey, error) {
	keys, err := p.keysOf(ctx, person)
	if err != nil {
		return nil, p.fail(ctx, errInternal, err)
	}
	shown := make([]console.Passkey, len(keys))
	for i := range keys {
		shown[i] = keys[i].shown()
	}
	return shown, nil
}

// Kept returns the passkeys of everybody as a journal that begins must have them, so
// that votes can be proved by it: they were added before.
func Kept(ctx context.Context, records rules.Records) ([]Event, error) {
	keys, err := readKeys(ctx, records, prefixCredentials)
	if err != nil {
		return nil, err
	}
	all := make([]Event, len(keys))
	for i := range keys {
		all[i] = Event{Person: keys[i].Person, ID: keys[i].id(), PublicKey: encode(keys[i].Credential.PublicKey), Kept: true}
	}
	return all, nil
}

// All returns the passkeys of everybody, by person.
func (p *Passkeys) All(ctx context.Context) ([]Of, error) {
	keys, err := p.keys(ctx, prefixCredentials)
	if err != nil {
		return nil, err
	}
	all := make([]Of, len(keys))
	for i := range keys {
		all[i] = Of{keys[i].Person, keys[i].shown()}
	}
	return all, nil
}

func (c *credential) shown() console.Passkey {
	return console.Passkey{ID: c.id(), Label: c.Label, Added: c.Added, Used: c.Used}
}

// Remove removes a passkey of a person, who asks for it.
func (p *Passkeys) Remove(ctx context.Context, person, id string) error {
	return p.remove(ctx, person, id, person)
}

// RemoveBy removes a passkey for somebody else, such as the operator. Whoever holds it
// may have signed in by it: see [Passkeys.OnRemoved].
func (p *Passkeys) RemoveBy(ctx context.Context, person, id, by string) error {
	return p.remove(ctx, person, id, by)
}

// OnRemoved says who is told of the person as soon as RemoveBy has removed a passkey, also
// where that can't be recorded. Of a passkey that its owner removes it is told in that case
// alone: else the owner stays signed in where it has asked for it. It calls nothing of the
// passkeys.
func (p *Passkeys) OnRemoved(told func(person string)) { p.removed.Store(&told) }

// tell tells that a passkey of a person is gone.
func (p *Passkeys) tell(person string) {
	if told := p.removed.Load(); told != nil {
		(*told)(person)
	}
}

// remove removes a passkey. It is in the journal afterwards: what is recorded as
// removed approves nothing. Votes that are being counted are, before.
func (p *Passkeys) remove(ctx context.Context, person, id, by string) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	p.change.Lock()
	defer p.change.Unlock()
	keys, err := p.keysOf(ctx, person)
	if err != nil {
		return p.fail(ctx, errInternal, err)
	}
	for i := range keys {
		if keys[i].id() != id {
			continue
		}
		event := Event{Person: person, ID: id, PublicKey: encode(keys[i].Credential.PublicKey), RPID: p.rp.Config.RPID, By: by}
		if err := p.store(ctx, rules.Change{Key: keys[i].key(), Old: keys[i].value}); err != nil {
			return p.fail(ctx, errInternal, err)
		}
		own := by == person
		if !own {
			p.tell(person)
		}
		if err := p.cfg.Journal.Credential(ctx, event); err != nil {
			if own {
				p.tell(person)
			}
			return p.fail(ctx, errInternal, err)
		}
		p.cfg.Logger.WarnContext(ctx, "Passkey removed", "person", person, "id", id, "by", by)
		return nil
	}
	return errUnknown
}

// Told reports whether an error may be told as it is.
func Told(err error) bool {
	var told plainError
	return errors.As(err, &told)
}
