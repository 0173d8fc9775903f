package emulator

import (
	"encoding/json"
	"time"
)

// requestAttributes are the attributes that a caller may set; what is absent
// stays as it is.
type requestAttributes struct {
	Enabled    *bool  `json:"enabled"`
	NotBefore  *int64 `json:"nbf"`
	Expires    *int64 `json:"exp"`
	Exportable *bool  `json:"exportable"`
}

type createRequest struct {
	Kty        string            `json:"kty"`
	Crv        string            `json:"crv"`
	KeySize    int               `json:"key_size"`
	KeyOps     []string          `json:"key_ops"`
	Attributes requestAttributes `json:"attributes"`
	Tags       map[string]string `json:"tags"`
}

type importRequest struct {
	Key struct {
		Kty    string   `json:"kty"`
		Crv    string   `json:"crv"`
		KeyOps []string `json:"key_ops"`
		X      string   `json:"x"`
		Y      string   `json:"y"`
		D      string   `json:"d"`
		N      string   `json:"n"`
		E      string   `json:"e"`
		P      string   `json:"p"`
		Q      string   `json:"q"`
	} `json:"key"`
	HSM        bool              `json:"Hsm"`
	Attributes requestAttributes `json:"attributes"`
	Tags       map[string]string `json:"tags"`
}

type updateRequest struct {
	KeyOps     []string          `json:"key_ops"`
	Attributes requestAttributes `json:"attributes"`
	Tags       map[string]string `json:"tags"`
}

// parse decodes the body; Key Vault ignores members that it does not know.
func (c *call) parse(into any) error {
	if err := json.Unmarshal(c.body, into); err != nil {
		return badParameter("The request body is not a valid JSON document of this operation.")
	}
	return nil
}

// create is POST /keys/NAME/create. An EC key without a curve is on P-256, as
// the service has it: a trap for whoever wants a P-256K key.
func (s *Server) create(c *call) (any, error) {
	var q createRequest
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	var (
		m   *material
		err error
	)
	hsm := c.target.vault.flavor == ManagedHSM
	switch q.Kty {
	case "EC", "EC-HSM":
		if q.Crv == "" {
			q.Crv = "P-256"
		}
		m, err = generateEC(q.Crv)
	case "RSA", "RSA-HSM":
		m, err = generateRSA(q.KeySize)
	default:
		return nil, badParameter("Property kty has an invalid value: '%s'", bounded(q.Kty))
	}
	if err != nil {
		return nil, err
	}
	v := newVersion(m, hsm || q.Kty == "EC-HSM" || q.Kty == "RSA-HSM", c.target.vault.flavor)
	if err := v.set(q.KeyOps, q.Attributes, q.Tags); err != nil {
		return nil, err
	}
	return s.store(c, v)
}

// importKey is PUT /keys/NAME.
func (s *Server) importKey(c *call) (any, error) {
	var q importRequest
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	for name, text := range map[string]string{
		"x": q.Key.X, "y": q.Key.Y, "d": q.Key.D, "n": q.Key.N, "e": q.Key.E, "p": q.Key.P, "q": q.Key.Q,
	} {
		b, err := decode(text)
		if err != nil {
			return nil, badParameter("Property %s is not base64url.", name)
		}
		parts[name] = b
	}
	var (
		m   *material
		err error
	)
	switch q.Key.Kty {
	case "EC", "EC-HSM":
		m, err = importEC(q.Key.Crv, parts["d"], parts["x"], parts["y"])
	case "RSA", "RSA-HSM":
		m, err = importRSA(parts["n"], parts["e"], parts["d"], parts["p"], parts["q"])
	default:
		return nil, badParameter("Property kty has an invalid value: '%s'", bounded(q.Key.Kty))
	}
	if err != nil {
		return nil, err
	}
	v := newVersion(m, q.HSM || q.Key.Kty == "EC-HSM" || q.Key.Kty == "RSA-HSM", c.target.vault.flavor)
	if err := v.set(q.Key.KeyOps, q.Attributes, q.Tags); err != nil {
		return nil, err
	}
	return s.store(c, v)
}

func (s *Server) store(c *call, v *version) (any, error) {
	var reply keyBundle
	err := s.change(c.target.vault, func() error {
		k, err := c.target.vault.add(c.name, v, false)
		if err == nil {
			reply = c.bundle(k, v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// get is GET /keys/NAME[/VERSION]. A disabled key is shown, too.
func (s *Server) get(c *call, fault *Fault) (any, error) {
	k, v, ok := c.target.vault.find(c.name, c.version)
	if !ok {
		return nil, keyNotFound(c)
	}
	reply := c.bundle(k, v)
	if fault.is(FaultWrongKID) {
		reply.Key.KID = c.keyID(k.name, randomID())
	}
	return reply, nil
}

// update is PATCH /keys/NAME[/VERSION].
func (s *Server) update(c *call) (any, error) {
	var q updateRequest
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	var reply keyBundle
	vault := c.target.vault
	err := s.change(vault, func() error {
		k := vault.keys[lower(c.name)]
		if k == nil || k.index(c.version) < 0 {
			return keyNotFound(c)
		}
		i := k.index(c.version)
		changed := *k.versions[i]
		changed.updated = time.Now().Unix()
		if err := changed.set(q.KeyOps, q.Attributes, q.Tags); err != nil {
			return err
		}
		k.versions[i] = &changed
		reply = c.bundle(k, &changed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func newVersion(m *material, hsm bool, f Flavor) *version {
	now := time.Now().Unix()
	v := &version{id: randomID(), material: m, hsm: hsm, enabled: true, created: now, updated: now}
	switch {
	case m.rsa != nil:
		v.ops = []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
	case f == ManagedHSM:
		v.ops = []string{"sign", "verify", "deriveKey"}
	default:
		v.ops = []string{"sign", "verify"}
	}
	return v
}

// set changes what the caller gave and leaves the rest.
func (v *version) set(ops []string, a requestAttributes, tags map[string]string) error {
	if ops != nil {
		for _, op := range ops {
			if !knownKeyOp(op) {
				return badParameter("Property key_ops has an invalid value: '%s'", bounded(op))
			}
		}
		v.ops = ops
	}
	if a.Exportable != nil && *a.Exportable {
		return badParameter("The emulator has no exportable keys.")
	}
	if a.Enabled != nil {
		v.enabled = *a.Enabled
	}
	if a.NotBefore != nil {
		v.nbf = a.NotBefore
	}
	if a.Expires != nil {
		v.exp = a.Expires
	}
	if tags == nil {
		return nil
	}
	if len(tags) > 15 {
		return badParameter("A key has at most 15 tags.")
	}
	for name, value := range tags {
		if len(name) > 256 || len(value) > 256 {
			return badParameter("The name and the value of a tag have at most 256 characters.")
		}
	}
	v.tags = tags
	return nil
}

func knownKeyOp(op string) bool {
	switch op {
	case "encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export", "deriveKey":
		return true
	}
	return false
}
