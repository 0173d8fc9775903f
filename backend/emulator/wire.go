package emulator

import "net/url"

// publicJWK is a key as the vault shows it: never a private member.
type publicJWK struct {
	KID    string   `json:"kid"`
	Kty    string   `json:"kty"`
	KeyOps []string `json:"key_ops"`
	Crv    string   `json:"crv,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
}

// attributes are those of a key version; times are Unix seconds.
type attributes struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
	Exportable      *bool  `json:"exportable,omitempty"`
	HSMPlatform     string `json:"hsmPlatform,omitempty"`
}

// keyBundle answers get, create, import, update, rotate and recover.
type keyBundle struct {
	Key        publicJWK         `json:"key"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	Managed    bool              `json:"managed,omitempty"`
}

// deletedBundle answers delete and the reading of deleted keys.
type deletedBundle struct {
	RecoveryID         string `json:"recoveryId"`
	DeletedDate        int64  `json:"deletedDate"`
	ScheduledPurgeDate int64  `json:"scheduledPurgeDate"`
	keyBundle
}

// keyItem is a key in a list.
type keyItem struct {
	RecoveryID         string            `json:"recoveryId,omitempty"`
	DeletedDate        int64             `json:"deletedDate,omitempty"`
	ScheduledPurgeDate int64             `json:"scheduledPurgeDate,omitempty"`
	KID                string            `json:"kid"`
	Attributes         attributes        `json:"attributes"`
	Tags               map[string]string `json:"tags,omitempty"`
	Managed            bool              `json:"managed,omitempty"`
}

// kind is the kty: Managed HSM has hardware keys only.
func (v *version) kind(f Flavor) string {
	kty := "EC"
	if v.material.rsa != nil {
		kty = "RSA"
	}
	if v.hsm || f == ManagedHSM {
		kty += "-HSM"
	}
	return kty
}

func (v *version) attributes(f Flavor, managed bool) attributes {
	a := attributes{
		Enabled: v.enabled, NotBefore: v.nbf, Expires: v.exp, Created: v.created, Updated: v.updated,
		RecoveryLevel: "CustomizedRecoverable+Purgeable", RecoverableDays: retentionDays,
	}
	if !managed {
		a.Exportable = new(bool)
	}
	switch {
	case f == ManagedHSM: // has no such attribute
	case v.hsm:
		a.HSMPlatform = "2"
	default:
		a.HSMPlatform = "0"
	}
	return a
}

func (c *call) bundle(k *key, v *version) keyBundle {
	f := c.target.vault.flavor
	return keyBundle{
		Key: publicJWK{
			KID: c.keyID(k.name, v.id), Kty: v.kind(f), KeyOps: v.ops,
			Crv: v.material.curve, X: v.material.x, Y: v.material.y, N: v.material.n, E: v.material.e,
		},
		Attributes: v.attributes(f, k.managed),
		Tags:       v.tags,
		Managed:    k.managed,
	}
}

func (c *call) deletedBundle(k *key) deletedBundle {
	return deletedBundle{
		RecoveryID:         c.recoveryID(k.name),
		DeletedDate:        k.deletedAt.Unix(),
		ScheduledPurgeDate: k.purgeAt.Unix(),
		keyBundle:          c.bundle(k, k.current()),
	}
}

// keyID is https://HOST/keys/NAME[/VERSION] on the host that the caller used.
func (c *call) keyID(name, version string) string {
	id := c.target.base + "/keys/" + url.PathEscape(name)
	if version != "" {
		id += "/" + version
	}
	return id
}

func (c *call) recoveryID(name string) string {
	return c.target.base + "/deletedkeys/" + url.PathEscape(name)
}
