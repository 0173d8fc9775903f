package opclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	opsigner "github.com/ethereum-optimism/optimism/op-service/signer"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// rotation replaces the server's certificate, then the callers' authority and the
// client's certificate, while both run. The client reads its files again some
// seconds after they change.
func rotation(t *testing.T, s *signer, folder string) {
	client := s.boot(t, folder)
	s.signs(t, client)

	renewed := s.servers.server(t, s.folder)
	until(t, "the server's new certificate", func(ctx context.Context) bool { return s.shown(ctx, t, folder).Cmp(renewed) == 0 })
	s.signs(t, client)
	s.signs(t, s.boot(t, folder))

	second := newAuthority(t, "clients of tomorrow")
	second.export(t, s.path("clients.crt"))
	until(t, "the end of the old authority", func(ctx context.Context) bool {
		_, err := client.SignTransaction(ctx, layer1, s.account, transfer(inbox))
		return err != nil
	})
	if _, err := opsigner.NewSignerClientFromConfig(quiet(), s.flags(t, folder)); err == nil || !strings.Contains(err.Error(), "tls: ") {
		t.Errorf("a client with an old certificate boots: %v", err)
	}

	second.client(t, folder, batcher)
	until(t, "the client's new certificate", func(ctx context.Context) bool {
		_, err := client.SignTransaction(ctx, layer1, s.account, transfer(inbox))
		return err == nil
	})
	s.signs(t, client)
}

// signs has a transaction signed.
func (s *signer) signs(t *testing.T, client *opsigner.SignerClient) {
	t.Helper()
	signed, err := client.SignTransaction(t.Context(), layer1, s.account, transfer(inbox))
	if err != nil {
		t.Fatal(err)
	}
	if sender, err := types.Sender(types.LatestSignerForChainID(layer1), signed); err != nil || sender != s.account {
		t.Fatalf("sender %s, %v", sender, err)
	}
}

// transfer returns a transaction of nothing to an address.
func transfer(to common.Address) *types.Transaction {
	return types.NewTx(&types.DynamicFeeTx{ChainID: layer1, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1), Gas: 21_000, To: &to})
}

// shown returns the serial number of the certificate that the signer shows.
func (s *signer) shown(ctx context.Context, t *testing.T, folder string) *big.Int {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.servers.cert)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}}
	conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
}

// until tries again and again until something is true.
func until(t *testing.T, what string, try func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !try(ctx) {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
