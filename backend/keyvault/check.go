package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend"
)

// expirySoon is how long before a key expires Check warns.
const expirySoon = 30 * 24 * time.Hour

// Check reads the keys again and finds out what the identity may do, and what
// an operator should know. It signs nothing: the right to sign is told from the
// vault's answer to a request that no elliptic-curve key can serve. What can't
// be reached is a warning in the report.
func (v *Vault) Check(ctx context.Context) Report {
	r := Report{Vault: v.cfg.Name, URL: v.endpoint.url, ManagedHSM: v.endpoint.hsm}
	if err := v.Refresh(ctx); err != nil {
		r.Warnings = append(r.Warnings, err.Error())
	}
	held := v.held.Load()
	r.List = v.mayList(ctx)
	r.Accounts = make([]AccountReport, len(held.entries))
	var group errgroup.Group
	group.SetLimit(readers)
	warnings := make([][]string, len(held.entries))
	for i, e := range held.entries {
		group.Go(func() error {
			r.Accounts[i], warnings[i] = v.checkAccount(ctx, e)
			return nil
		})
	}
	_ = group.Wait() // failures are in the report
	if len(held.entries) > 0 {
		_, err := call(ctx, v, v.getting(held.entries[0].id()), func(ctx context.Context, client *azkeys.Client) (azkeys.GetKeyResponse, error) {
			return client.GetKey(ctx, held.entries[0].account.Key, held.entries[0].account.Version, nil)
		})
		r.Get = rightOf(err)
	} else {
		r.Warnings = append(r.Warnings, v.of("%s has no key that can be an account: create one with kty EC and curve P-256K"))
	}
	for _, lines := range warnings {
		r.Warnings = append(r.Warnings, lines...)
	}
	for _, s := range held.skipped {
		r.Skipped = append(r.Skipped, *s)
		if s.Kind == SkipError || s.Kind == SkipChanged || s.Kind == SkipGone {
			r.Warnings = append(r.Warnings, fmt.Sprintf("key %s %s", identifier{s.Key, s.Version}, s.Reason))
		}
		if s.Kind == SkipCurve && strings.Contains(s.Reason, "P-256,") {
			r.Warnings = append(r.Warnings, fmt.Sprintf("key %s is on P-256, which is what Azure makes unless a curve is chosen: if it is meant for Ethereum, create another one on P-256K", s.Key))
		}
	}
	if r.List == RightDenied && len(v.keys) == 0 {
		r.Warnings = append(r.Warnings, v.of("this identity may not list the keys of %s: name them under keys, or grant keys/read on the whole vault"))
	}
	return r
}

// mayList asks for one page of the listing.
func (v *Vault) mayList(ctx context.Context) Right {
	op := v.listing()
	op.quiet = true
	_, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.ListKeyPropertiesResponse, error) {
		return client.NewListKeyPropertiesPager(nil).NextPage(ctx)
	})
	return rightOf(err)
}

// checkAccount finds out what stands in the way of signing with a key, now or
// soon. A Managed HSM and an access policy without the right for it don't tell
// the rotation policy.
func (v *Vault) checkAccount(ctx context.Context, e *entry) (AccountReport, []string) {
	r := AccountReport{
		Account: e.account.Clone(), Curve: string(azkeys.CurveNameP256K), Hardware: e.hardware,
		Created: e.created, Expires: e.expires,
	}
	if e.algorithm == algorithmOld {
		r.Curve = string(curveOld)
	}
	var warnings []string
	name := fmt.Sprintf("key %s (%s)", e.id(), e.account.Address)
	sign, err := v.maySign(ctx, e)
	if r.Sign = sign; err != nil {
		warnings = append(warnings, err.Error())
	}
	if r.Rotation = v.rotates(ctx, e.account.Key); r.Rotation {
		warnings = append(warnings, name+" has a rotation policy: each rotation makes a new version with another address; remove the policy")
	}
	if left := time.Until(e.expires); !e.expires.IsZero() && left < expirySoon {
		warnings = append(warnings, fmt.Sprintf("%s expires on %s and signs no more then: clear the date", name, e.expires.UTC().Format(time.DateOnly)))
	}
	return r, warnings
}

// maySign asks the key for a signature under an RSA algorithm. A vault looks at
// the rights first, then refuses the algorithm: no signature can come of it.
func (v *Vault) maySign(ctx context.Context, e *entry) (Right, error) {
	op := v.signing(e)
	op.quiet = true
	_, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.SignResponse, error) {
		return client.Sign(ctx, e.account.Key, e.account.Version, azkeys.SignParameters{
			Algorithm: to.Ptr(azkeys.SignatureAlgorithmRS256), Value: make([]byte, 32),
		}, nil)
	})
	if answer, ok := asFault(err); ok && answer.status == http.StatusBadRequest {
		return RightGranted, nil
	}
	return rightOf(err), err
}

// rotates reports whether the key has a policy that makes new versions. The
// right to read the policy is rarely given; without it the answer is no.
func (v *Vault) rotates(ctx context.Context, name string) bool {
	op := v.getting(identifier{name: name})
	op.quiet = true
	policy, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.GetKeyRotationPolicyResponse, error) {
		return client.GetKeyRotationPolicy(ctx, name, nil)
	})
	if err != nil {
		return false
	}
	for _, action := range policy.LifetimeActions {
		if action != nil && action.Action != nil && strings.EqualFold(string(deref(action.Action.Type)), string(azkeys.KeyRotationPolicyActionRotate)) {
			return true
		}
	}
	return false
}

// rightOf tells a right from the outcome of a request that needs it.
func rightOf(err error) Right {
	var failure *backend.Error
	switch {
	case err == nil:
		return RightGranted
	case errors.As(err, &failure) && failure.Kind == backend.KindForbidden:
		return RightDenied
	}
	return RightUnknown
}
