package hosting

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// maxPolicy bounds a policy, in bytes.
const maxPolicy = 1 << 20

// readPolicy reads the policy of a service, once: what is hashed is what is
// loaded. It is nil if the service has none of its own. A hash that is given must
// be the file's.
func readPolicy(d config.HostedServiceDetails) (source []byte, hash string, err error) {
	if d.Policy == "" {
		return nil, "", nil
	}
	if source, _, err = config.ReadOrdinary(d.Policy, maxPolicy); err != nil {
		return nil, "", fmt.Errorf("reading the policy: %w", err)
	}
	if len(source) == 0 {
		return nil, "", fmt.Errorf("reading the policy: %s is empty", d.Policy)
	}
	sum := sha256.Sum256(source)
	if hash = hex.EncodeToString(sum[:]); d.PolicySHA256 != "" && hash != d.PolicySHA256 {
		return nil, "", fmt.Errorf("the policy %s has SHA-256 %s and must have %s: put back the file that was meant, or make a new service with it", d.Policy, hash, d.PolicySHA256)
	}
	return source, hash, nil
}
