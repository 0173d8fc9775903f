package emulator

import (
	"regexp"
	"strconv"
	"time"
)

// rotationPolicy is what the caller set, kept as it is.
type rotationPolicy struct {
	LifetimeActions []lifetimeAction `json:"lifetimeActions"`
	ExpiryTime      string           `json:"expiryTime,omitempty"` // ISO 8601 duration
	Created         int64            `json:"created"`
	Updated         int64            `json:"updated"`
}

type lifetimeAction struct {
	Trigger struct {
		TimeAfterCreate  string `json:"timeAfterCreate,omitempty"`
		TimeBeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
	} `json:"trigger"`
	Action struct {
		Type string `json:"type"`
	} `json:"action"`
}

type policyAttributes struct {
	ExpiryTime string `json:"expiryTime,omitempty"`
	Created    int64  `json:"created,omitempty"`
	Updated    int64  `json:"updated,omitempty"`
}

type policyReply struct {
	ID              string           `json:"id"`
	LifetimeActions []lifetimeAction `json:"lifetimeActions"`
	Attributes      policyAttributes `json:"attributes"`
}

// rotate is POST /keys/NAME/rotate: a new version with a new key, for Ethereum a
// new address.
func (s *Server) rotate(c *call) (any, error) {
	vault := c.target.vault
	_, old, ok := vault.find(c.name, "")
	if !ok {
		return nil, keyNotFound(c)
	}
	var (
		m   *material
		err error
	)
	if old.material.rsa != nil {
		m, err = generateRSA(old.material.rsa.N.BitLen())
	} else {
		m, err = generateEC(old.material.curve)
	}
	if err != nil {
		return nil, err
	}
	v := newVersion(m, old.hsm, vault.flavor)
	v.ops, v.tags = old.ops, old.tags
	var reply keyBundle
	err = s.change(vault, func() error {
		k := vault.keys[lower(c.name)]
		if k == nil { // deleted meanwhile
			return keyNotFound(c)
		}
		if k.policy != nil {
			if exp, ok := addDuration(time.Unix(v.created, 0), k.policy.ExpiryTime); ok {
				seconds := exp.Unix()
				v.exp = &seconds
			}
		}
		k.versions = append(k.versions, v)
		reply = c.bundle(k, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// rotationPolicy is GET /keys/NAME/rotationpolicy. A key without a policy of its
// own has one that notifies 30 days before expiry.
func (s *Server) rotationPolicy(c *call) (any, error) {
	v := c.target.vault
	v.mu.RLock()
	defer v.mu.RUnlock()
	k := v.keys[lower(c.name)]
	if k == nil {
		return nil, keyNotFound(c)
	}
	return c.policyReply(k), nil
}

func (c *call) policyReply(k *key) policyReply {
	id := c.keyID(k.name, "rotationpolicy")
	if p := k.policy; p != nil {
		return policyReply{id, p.LifetimeActions, policyAttributes{p.ExpiryTime, p.Created, p.Updated}}
	}
	var notify lifetimeAction
	notify.Trigger.TimeBeforeExpiry = "P30D"
	notify.Action.Type = "Notify"
	return policyReply{ID: id, LifetimeActions: []lifetimeAction{notify}}
}

// setRotationPolicy is PUT /keys/NAME/rotationpolicy.
func (s *Server) setRotationPolicy(c *call) (any, error) {
	var q policyReply
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	if len(q.LifetimeActions) > 2 {
		return nil, badParameter("A rotation policy has at most two lifetime actions.")
	}
	durations := []string{q.Attributes.ExpiryTime}
	for _, a := range q.LifetimeActions {
		durations = append(durations, a.Trigger.TimeAfterCreate, a.Trigger.TimeBeforeExpiry)
	}
	for _, d := range durations {
		if _, ok := addDuration(time.Now(), d); d != "" && !ok {
			return nil, badParameter("The duration '%s' is not an ISO 8601 duration of years, months and days.", bounded(d))
		}
	}
	v := c.target.vault
	var reply policyReply
	err := s.change(v, func() error {
		k := v.keys[lower(c.name)]
		if k == nil {
			return keyNotFound(c)
		}
		now := time.Now().Unix()
		p := &rotationPolicy{LifetimeActions: q.LifetimeActions, ExpiryTime: q.Attributes.ExpiryTime, Created: now, Updated: now}
		if p.LifetimeActions == nil {
			p.LifetimeActions = []lifetimeAction{}
		}
		if k.policy != nil {
			p.Created = k.policy.Created
		}
		k.policy = p
		reply = c.policyReply(k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?$`)

// addDuration adds an ISO 8601 duration of years, months and days.
func addDuration(t time.Time, text string) (time.Time, bool) {
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil || text == "P" {
		return t, false
	}
	var n [3]int
	for i, part := range parts[1:] {
		n[i], _ = strconv.Atoi(part) // digits, or "" for 0
	}
	return t.AddDate(n[0], n[1], n[2]), true
}
