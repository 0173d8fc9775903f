package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend/emulator"
)

// helperVariable makes the test binary run a program that signs once instead of
// the tests. Its value is the vault's URL.
const helperVariable = "EMULATOR_TEST_HELPER"

// runHelper is a program that knows nothing of the emulator: default transport,
// default credential chain, everything from the environment.
func runHelper() int {
	if err := signOnce(context.Background(), os.Getenv(helperVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func signOnce(ctx context.Context, vaultURL string) error {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	client, err := azkeys.NewClient(vaultURL, cred, nil)
	if err != nil {
		return err
	}
	answer, err := client.Sign(ctx, "k", "", azkeys.SignParameters{
		Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digestOf("x"),
	}, nil)
	if err != nil {
		return err
	}
	if len(answer.Result) != 64 {
		return errors.New("the signature has not 64 bytes")
	}
	_, err = fmt.Fprintln(os.Stdout, *answer.KID)
	return err
}

// runSelf runs the test binary as the helper with env added to a clean environment.
func runSelf(t *testing.T, s *emulator.Server, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(withoutProxy(os.Environ()),
		helperVariable+"="+s.VaultURL("dev"), "HTTPS_PROXY="+s.ProxyURL(), "HTTP_PROXY="+s.ProxyURL(), "SSL_CERT_FILE="+caFile(t, s))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// withoutProxy is the environment without what would send requests elsewhere.
func withoutProxy(environ []string) []string {
	var env []string
	for _, e := range environ {
		name, _, _ := strings.Cut(strings.ToUpper(e), "=")
		switch {
		case strings.HasSuffix(name, "_PROXY"), strings.HasPrefix(name, "AZURE_"), strings.HasPrefix(name, "SSL_CERT_"),
			strings.HasPrefix(name, "IDENTITY_"), name == "NODE_EXTRA_CA_CERTS":
		default:
			env = append(env, e)
		}
	}
	return env
}

func caFile(t *testing.T, s *emulator.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, s.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
