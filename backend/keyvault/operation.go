package keyvault

// operation is what a request does, in the words of messages and rights.
type operation struct {
	verb       string // "sign with", to be followed by the subject
	id         identifier
	permission string // of an access policy
	action     string // data action of a role
	cost       int    // in units of the gate
	quiet      bool   // a failure is expected: logged for debugging only
	once       bool   // must not be sent again when it may have been done
}

func (op operation) subject() string {
	switch {
	case op.id.name == "":
		return "the keys"
	case op.id.version == "":
		return "key " + op.id.name
	}
	return "key " + op.id.name + " version " + op.id.version
}

func (op operation) right() string { return op.action }

// role names the smallest built-in role that has the right.
func (op operation) role(hsm bool) string {
	writes := op.permission == "create" || op.permission == "import" || op.permission == "update"
	switch {
	case hsm: // it may also create, import and update
		return "Managed HSM Crypto User"
	case writes:
		return "Key Vault Crypto Officer"
	}
	return "Key Vault Crypto User"
}

// costs are the prices of requests in units of the gate. Key Vault counts an
// operation on a key in hardware twice; a Managed HSM does 330 signatures or
// 1100 reads a second.
type costs struct {
	units    float64 // per second
	read     int
	sign     int
	hardware int // factor for keys in hardware
}

func (v *Vault) priceList() costs {
	switch rate := v.cfg.RequestsPerSecond; {
	case rate != 0:
		return costs{units: rate, read: 1, sign: 1, hardware: 1}
	case v.endpoint.hsm:
		return costs{units: 3300, read: 3, sign: 10, hardware: 1}
	}
	return costs{units: 400, read: 1, sign: 1, hardware: 2}
}

func (v *Vault) listing() operation {
	return operation{verb: "list", permission: "list", action: "keys/read", cost: v.costs.read}
}

func (v *Vault) getting(id identifier) operation {
	return operation{verb: "read", id: id, permission: "get", action: "keys/read", cost: v.costs.read}
}

func (v *Vault) listingVersions(name string) operation {
	return operation{verb: "list versions of", id: identifier{name: name}, permission: "list", action: "keys/read", cost: v.costs.read}
}

func (v *Vault) signing(e *entry) operation {
	cost := v.costs.sign
	if e.hardware {
		cost *= v.costs.hardware
	}
	return operation{verb: "sign with", id: e.id(), permission: "sign", action: "keys/sign", cost: cost}
}

func (v *Vault) writing(verb, permission string, id identifier) operation {
	actions := map[string]string{"create": "keys/create", "import": "keys/import", "update": "keys/update"}
	return operation{verb: verb, id: id, permission: permission, action: actions[permission], cost: v.costs.read, once: true}
}
