package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// BenchmarkSign measures what kvclef adds to the vault's own latency: the
// finished binary in a process of its own signs over IPC what a rule file
// approves, all of it durable, with a vault in another process that takes 0, 12
// or 50 ms. The baseline, called bare, is the Azure client alone with one Sign
// request of a digest to the same vault, in windows that alternate with
// kvclef's.
//
// Metrics: sig/s is kvclef's throughput; p50-ms and p99-ms are the latency that
// the caller sees; overhead-ms is p50 less the baseline's p50; cpu-us/sig is
// the signer process's own CPU time.
func BenchmarkSign(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "kvclef")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("building kvclef: %v\n%s", err, out)
	}
	for _, file := range decisionFiles {
		for _, latency := range []time.Duration{0, 12 * time.Millisecond, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("rules=%s/vault=%s", file.name, latency), func(b *testing.B) {
				rig := newRig(b, binary, latency, file.text)
				for _, workers := range []int{1, 8, 64} {
					b.Run(fmt.Sprintf("c=%d", workers), func(b *testing.B) { rig.measure(b, workers) })
				}
			})
		}
	}
}

// rig is a vault and a signer, each in a process of its own, and the bare
// client in this one.
type rig struct {
	dir, binary  string
	vault        string            // host:port of the vault's listener
	env          map[string]string // what the vault's own command exports
	ipc          string
	pid          int
	account      common.Address
	key, version string
	bare         *azkeys.Client
}

// listingApproved lets the benchmark find its account.
const listingApproved = `
function ApproveListing(r) { return "Approve" }
`

const benchVault = "https://kv-bench.vault.azure.net"

func newRig(b *testing.B, binary string, latency time.Duration, rules string) *rig {
	b.Helper()
	r := &rig{dir: b.TempDir(), binary: binary}
	r.ipc = filepath.Join(r.dir, "bench.ipc")
	r.startVault(b, latency)
	r.bare = r.newBareClient(b)
	created, err := r.bare.CreateKey(b.Context(), "bench", azkeys.CreateKeyParameters{
		Kty: to.Ptr(azkeys.KeyTypeEC), Curve: to.Ptr(azkeys.CurveNameP256K),
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.key, r.version = created.Key.KID.Name(), created.Key.KID.Version()
	r.startSigner(b, rules)
	return r
}

// startVault starts the emulator with one vault.
func (r *rig) startVault(b *testing.B, latency time.Duration) {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		b.Fatal(err)
	}
	r.vault = free.Addr().String()
	_ = free.Close()
	variables := filepath.Join(r.dir, "vault.env")
	r.start(b, nil, "emulator", "--addr", r.vault, "--key-vault", "kv-bench", "--latency", latency.String(),
		"--datadir", filepath.Join(r.dir, "vault"), "--env-file", variables)
	r.env = make(map[string]string)
	eventually(b, func() bool {
		text, err := os.ReadFile(variables)
		return err == nil && strings.Contains(string(text), "# vault:")
	})
	text, err := os.ReadFile(variables)
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); found {
			r.env[name] = value
		}
	}
}

// newBareClient returns the SDK's client for the vault.
func (r *rig) newBareClient(b *testing.B) *azkeys.Client {
	b.Helper()
	ca, err := os.ReadFile(r.env["SSL_CERT_FILE"])
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, r.vault)
	}
	return bareClient(b, roots, dial, r.env["AZURE_TENANT_ID"], r.env["AZURE_CLIENT_ID"], r.env["AZURE_CLIENT_SECRET"])
}

// bareClient returns the SDK's client, set up as lean as it can be.
func bareClient(b *testing.B, roots *x509.CertPool, dial func(context.Context, string, string) (net.Conn, error), tenant, client, secret string) *azkeys.Client {
	b.Helper()
	options := azcore.ClientOptions{Transport: &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
	}}}
	credential, err := azidentity.NewClientSecretCredential(tenant, client, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		b.Fatal(err)
	}
	keys, err := azkeys.NewClient(benchVault, credential, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		b.Fatal(err)
	}
	return keys
}

// signBare signs a digest with the SDK alone.
func signBare(ctx context.Context, client *azkeys.Client, key, version string) error {
	_, err := client.Sign(ctx, key, version, azkeys.SignParameters{
		Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: crypto.Keccak256([]byte("digest")),
	}, nil)
	return err
}

// startSigner starts kvclef with the vault as a custom endpoint, so that no
// proxy stands between them.
func (r *rig) startSigner(b *testing.B, rules string) {
	b.Helper()
	file := filepath.Join(r.dir, "rules.js")
	if err := os.WriteFile(file, []byte(rules+listingApproved), 0o600); err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(r.dir, "kvclef.yaml")
	settings := fmt.Sprintf(`
vaults:
  - name: kv-bench
    url: https://%s
    custom_endpoint: true
    authority: https://%s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: BENCH_SECRET}
`, r.vault, r.vault, r.env["SSL_CERT_FILE"], r.env["AZURE_TENANT_ID"], r.env["AZURE_CLIENT_ID"])
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		b.Fatal(err)
	}
	r.pid = r.start(b, []string{"BENCH_SECRET=" + r.env["AZURE_CLIENT_SECRET"]},
		"dev", "--rules", file, "--datadir", filepath.Join(r.dir, "state"),
		"--config", config, "--ipcpath", r.ipc, "--http=false", "--loglevel", "warn")
	var accounts []common.Address
	eventually(b, func() bool {
		client, err := rpc.DialContext(b.Context(), r.ipc)
		if err != nil {
			return false
		}
		defer client.Close()
		return client.CallContext(b.Context(), &accounts, "account_list") == nil && len(accounts) == 1
	})
	r.account = accounts[0]
}

// start starts kvclef, which ends with the benchmark, and returns its process id.
func (r *rig) start(b *testing.B, env []string, args ...string) int {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), r.binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() })
	return cmd.Process.Pid
}

// eventually tries a condition until it holds, for half a minute.
func eventually(b *testing.B, holds func() bool) {
	b.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			b.Fatal("kvclef did not start within half a minute")
		}
	}
}

// measure alternates windows of kvclef and of the bare client.
func (r *rig) measure(b *testing.B, workers int) {
	b.Helper()
	clients := make([]*rpc.Client, workers)
	for i := range clients {
		client, err := rpc.DialContext(b.Context(), r.ipc)
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		clients[i] = client
	}
	var nonce atomic.Uint64
	viaKvclef := func(worker int) error {
		var answer struct{ Raw string }
		return clients[worker].Call(&answer, "account_signTransaction", map[string]string{
			"from": r.account.Hex(), "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "gas": "0x5208", "value": "0x1",
			"nonce": "0x" + strconv.FormatUint(nonce.Add(1), 16), "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3b9aca00",
			"chainId": "0x539",
		})
	}
	viaSDK := func(int) error { return signBare(b.Context(), r.bare, r.key, r.version) }
	load(b, workers, workers, viaSDK) // tokens and connections
	load(b, workers, workers, viaKvclef)

	const windows = 4
	var signed, bare []time.Duration
	var busy, elapsed time.Duration
	b.ResetTimer()
	for i := range windows {
		n := (b.N + i) / windows
		before, start := cpuTime(b, r.pid), time.Now()
		signed = append(signed, load(b, n, workers, viaKvclef)...)
		elapsed += time.Since(start)
		busy += cpuTime(b, r.pid) - before
		b.StopTimer()
		bare = append(bare, load(b, n, workers, viaSDK)...)
		b.StartTimer()
	}
	b.StopTimer()
	slices.Sort(signed)
	slices.Sort(bare)
	b.ReportMetric(float64(len(signed))/elapsed.Seconds(), "sig/s")
	b.ReportMetric(inMS(at(signed, 50)), "p50-ms")
	b.ReportMetric(inMS(at(signed, 99)), "p99-ms")
	b.ReportMetric(inMS(at(bare, 50)), "bare-p50-ms")
	b.ReportMetric(inMS(at(signed, 50)-at(bare, 50)), "overhead-ms")
	b.ReportMetric(float64(busy.Microseconds())/float64(len(signed)), "cpu-us/sig")
}

// load makes n calls from the workers and returns how long each took.
func load(b *testing.B, n, workers int, call func(worker int) error) []time.Duration {
	b.Helper()
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	for worker := range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				start := time.Now()
				if err := call(worker); err != nil {
					failed <- err
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		b.Fatal(err)
	}
	return took
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// at returns the percentile of sorted durations.
func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

// cpuTime reads a process's user and system time from Linux's /proc, in the
// kernel's ticks of 10 ms: long runs make it exact. Elsewhere it is 0.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Fields are counted after the command's name, which ends in ")".
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		b.Fatalf("/proc/%d/stat has too few fields", pid)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
