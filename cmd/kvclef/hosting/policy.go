package hosting

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

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
	if source, err = readOrdinary(d.Policy); err != nil {
		return nil, "", fmt.Errorf("reading the policy: %w", err)
	}
	sum := sha256.Sum256(source)
	if hash = hex.EncodeToString(sum[:]); d.PolicySHA256 != "" && hash != d.PolicySHA256 {
		return nil, "", fmt.Errorf("the policy %s has SHA-256 %s and must have %s: put back the file that was meant, or make a new service with it", d.Policy, hash, d.PolicySHA256)
	}
	return source, hash, nil
}

// readOrdinary reads a file. A pipe that nobody writes to would never answer, and
// is refused.
func readOrdinary(path string) (_ []byte, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no ordinary file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	source, err := io.ReadAll(io.LimitReader(file, maxPolicy+1))
	switch {
	case err != nil:
		return nil, err
	case len(source) > maxPolicy:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxPolicy)
	case len(source) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	}
	return source, nil
}
