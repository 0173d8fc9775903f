package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// BenchmarkHandler measures what kvclef's own code adds to the vault's answer,
// without sockets to the caller and without other processes: decoding, checks,
// the decision, the digest, the verification of the signature and the encoding.
// Calls alternate with bare calls of the Azure client to the same vault;
// overhead-ms is the difference of the medians.
func BenchmarkHandler(b *testing.B) {
	vault, err := emulator.Start(b.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-bench"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = vault.Close() })
	key, err := vault.CreateKey("kv-bench", "bench")
	if err != nil {
		b.Fatal(err)
	}
	account := newBenchAccount(b, vault)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(vault.CAPEM())
	bare := bareClient(b, roots, vault.DialContext, vault.TenantID(), vault.ClientID(), vault.ClientSecret())

	request := fmt.Sprintf(`{"from":%q,"to":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","gas":"0x5208","value":"0x1","nonce":"0x7",`+
		`"maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x3b9aca00","chainId":"0x539"}`, crypto.PubkeyToAddress(*key.Public))
	var handled, alone []time.Duration
	for b.Loop() {
		start := time.Now()
		var args extapi.TransactionArgs
		if err := json.Unmarshal([]byte(request), &args); err != nil {
			b.Fatal(err)
		}
		signed, err := account.SignTransaction(b.Context(), args, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(signed); err != nil {
			b.Fatal(err)
		}
		handled = append(handled, time.Since(start))

		b.StopTimer()
		start = time.Now()
		if err := signBare(b.Context(), bare, key.Name, key.Version); err != nil {
			b.Fatal(err)
		}
		alone = append(alone, time.Since(start))
		b.StartTimer()
	}
	slices.Sort(handled)
	slices.Sort(alone)
	b.ReportMetric(inMS(at(handled, 50)), "p50-ms")
	b.ReportMetric(inMS(at(alone, 50)), "bare-p50-ms")
	b.ReportMetric(inMS(at(handled, 50)-at(alone, 50)), "overhead-ms")
}

// newBenchAccount returns the API over the vault, in this process.
func newBenchAccount(b *testing.B, vault *emulator.Server) *extapi.Account {
	b.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(vault.CAPEM())
	opened, err := keyvault.Open(b.Context(), keyvault.Config{
		URL: vault.VaultURL("kv-bench"), DialContext: vault.DialContext, RootCAs: roots, RequestsPerSecond: -1,
		Credential: keyvault.Credential{
			Kind: "client-secret", TenantID: vault.TenantID(), ClientID: vault.ClientID(), Secret: keyvault.NewSecret(vault.ClientSecret()),
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(opened.Close)
	account, err := extapi.NewAccount(extapi.Config{
		Decider:  rules.ApproveAll{},
		Auditor:  noAudit{},
		Signer:   keyringSigner{backend.NewKeyring(time.Second, opened)},
		ChainIDs: []*big.Int{big.NewInt(devChain)},
	})
	if err != nil {
		b.Fatal(err)
	}
	return account
}
