package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// statusTimeout bounds asking a service how it is.
const statusTimeout = 10 * time.Second

// Status tells how a service is: the members of [Health], and with them those of
// what the service tells itself, if it runs.
func (r *Registry) Status(ctx context.Context, scope Scope, id string) (map[string]json.RawMessage, error) {
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return nil, err
	}
	service, err := kept.service(scope, id)
	if err != nil {
		return nil, err
	}
	health, running := Health{ID: id, Name: service.Name, State: Failed, Since: service.CreatedAt, Error: r.whyNotRun()}, Running(nil)
	if one := r.instance(id); one != nil {
		health, running = one.health()
	}
	told := make(map[string]json.RawMessage)
	if running != nil {
		if told, err = ask(ctx, running); err != nil {
			health.Error = err.Error()
			told = make(map[string]json.RawMessage)
		}
	}
	if running != nil && r.shared() && kept.serving[id] != serveOpen {
		health.State, health.Error = Stopping, "no replica signs for it: it is being deleted, or its deleting did not come to an end, and it can be deleted"
	}
	return told, overlay(told, health)
}

// whyNotRun says why a service that is kept is not one of this process.
func (r *Registry) whyNotRun() string {
	if r.shared() {
		return "it is not run by this replica: it has just been made at another, or its making or deleting did not come to an end, and it can be deleted"
	}
	return "it is not run by this process"
}

// ask returns the members of what a service tells.
func ask(ctx context.Context, running Running) (map[string]json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	told, err := running.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the service: %w", err)
	}
	members, err := membersOf(told)
	if err == nil && members == nil {
		err = errors.New("it told nothing")
	}
	return members, err
}

// overlay puts the members of a value over others.
func overlay(members map[string]json.RawMessage, value any) error {
	over, err := membersOf(value)
	for name, member := range over {
		members[name] = member
	}
	return err
}

// membersOf returns the members of what encodes to an object.
func membersOf(value any) (members map[string]json.RawMessage, err error) {
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding a status: %w", err)
	}
	return members, nil
}
