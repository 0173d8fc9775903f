package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

	"github.com/kvclef/kvclef/backend/emulator"
)

// BenchmarkSign measures what kvclef adds to the vault's own latency: the
// finished binary in a process of its own signs over IPC, with a vault that
// takes 0, 12 or 50 ms. The baseline, called bare, is the Azure client alone
// with one Sign request of a digest to the same vault, in windows that
// alternate with kvclef's.
//
// Metrics: sig/s is kvclef's throughput; p50-ms and p99-ms are the latency that
// the caller sees; overhead-ms is p50 less the baseline's p50; cpu-us/sig is
// the signer process's own CPU time.
func BenchmarkSign(b *testing.B) {
	rig := newRig(b)
	for _, latency := range []time.Duration{0, 12 * time.Millisecond, 50 * time.Millisecond} {
		for _, workers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("vault=%s/c=%d", latency, workers), func(b *testing.B) {
				rig.vault.SetLatency(latency)
				rig.measure(b, workers)
			})
		}
	}
}

// rig is a vault, a signer in a process of its own, and the bare client.
type rig struct {
	vault   *emulator.Server
	ipc     string
	pid     int
	account common.Address
	key     emulator.Key
	bare    *azkeys.Client
}

const benchVault = "kv-bench"

func newRig(b *testing.B) *rig {
	b.Helper()
	dir := b.TempDir()
	vault, err := emulator.Start(b.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: benchVault}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = vault.Close() })
	private, err := crypto.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	key, err := vault.ImportKey(benchVault, "bench", private)
	if err != nil {
		b.Fatal(err)
	}
	r := &rig{vault: vault, key: key, account: crypto.PubkeyToAddress(private.PublicKey), ipc: filepath.Join(dir, "bench.ipc")}
	r.bare = r.newBareClient(b)
	r.pid = r.startSigner(b, dir)
	return r
}

// newBareClient returns the SDK's client, set up as lean as it can be.
func (r *rig) newBareClient(b *testing.B) *azkeys.Client {
	b.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.vault.CAPEM())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = r.vault.DialContext
	transport.TLSClientConfig.RootCAs = roots
	transport.MaxIdleConnsPerHost = 64
	options := azcore.ClientOptions{Transport: &http.Client{Transport: transport}}
	credential, err := azidentity.NewClientSecretCredential(r.vault.TenantID(), r.vault.ClientID(), r.vault.ClientSecret(),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		b.Fatal(err)
	}
	client, err := azkeys.NewClient(r.vault.VaultURL(benchVault), credential, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// startSigner builds kvclef, starts it with the vault as a custom endpoint, so
// that no proxy stands between them, and returns its process id.
func (r *rig) startSigner(b *testing.B, dir string) int {
	b.Helper()
	binary := filepath.Join(dir, "kvclef")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("building kvclef: %v\n%s", err, out)
	}
	ca, config := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "kvclef.yaml")
	settings := fmt.Sprintf(`
vaults:
  - name: %s
    url: https://%s
    custom_endpoint: true
    authority: https://%s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: BENCH_SECRET}
`, benchVault, r.vault.Addr(), r.vault.Addr(), ca, r.vault.TenantID(), r.vault.ClientID())
	for file, content := range map[string]string{ca: string(r.vault.CAPEM()), config: settings} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(b.Context(), binary, "dev", "--approve-all", "--config", config, "--ipcpath", r.ipc, "--http=false", "--loglevel", "warn")
	cmd.Env = append(os.Environ(), "BENCH_SECRET="+r.vault.ClientSecret())
	cmd.Stdout, cmd.Stderr = io.Discard, &output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() })
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if client, err := rpc.Dial(r.ipc); err == nil {
			client.Close()
			return cmd.Process.Pid
		}
		if cmd.ProcessState != nil || b.Context().Err() != nil {
			b.Fatalf("kvclef did not start: %s", output.String())
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
	digest := crypto.Keccak256([]byte("digest"))
	viaSDK := func(int) error {
		_, err := r.bare.Sign(b.Context(), r.key.Name, r.key.Version, azkeys.SignParameters{
			Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digest,
		}, nil)
		return err
	}
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
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(float64(len(signed))/elapsed.Seconds(), "sig/s")
	b.ReportMetric(ms(at(signed, 50)), "p50-ms")
	b.ReportMetric(ms(at(signed, 99)), "p99-ms")
	b.ReportMetric(ms(at(bare, 50)), "bare-p50-ms")
	b.ReportMetric(ms(at(signed, 50)-at(bare, 50)), "overhead-ms")
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
