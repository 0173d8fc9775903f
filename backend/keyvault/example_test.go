package keyvault_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
)

// A Go program signs a transaction with a key in a vault, in process. The
// options that Transactor returns go into any contract binding that abigen
// made. Against a real vault, leave out RootCAs and DialContext.
func ExampleVault_Transactor() {
	ctx := context.Background()
	azure, err := emulator.Start(ctx, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer azure.Close()
	if _, err := azure.CreateKey("kv-prod", "treasury"); err != nil {
		fmt.Println(err)
		return
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(azure.CAPEM())

	vault, err := keyvault.Open(ctx, keyvault.Config{
		URL: "https://kv-prod.vault.azure.net",
		Credential: keyvault.Credential{
			Kind: "client-secret", TenantID: azure.TenantID(), ClientID: azure.ClientID(),
			Secret: keyvault.NewSecret(azure.ClientSecret()), // or SecretFile, or SecretEnv
		},
		RootCAs:     roots,
		DialContext: azure.DialContext,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer vault.Close()

	account := vault.Accounts()[0]
	chainID := big.NewInt(1)
	opts, err := vault.Transactor(account.Address, chainID)
	if err != nil {
		fmt.Println(err)
		return
	}
	to := common.HexToAddress("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
	signed, err := opts.Signer(opts.From, types.NewTx(&types.DynamicFeeTx{
		ChainID: chainID, Nonce: 7, To: &to, Value: big.NewInt(1_000_000_000), Gas: 21_000,
		GasFeeCap: big.NewInt(30_000_000_000), GasTipCap: big.NewInt(1_000_000_000),
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	sender, err := types.Sender(types.LatestSignerForChainID(chainID), signed)
	fmt.Println("key:", account.Vault, account.Key)
	fmt.Println("signed by the key's address:", sender == account.Address, err)
	// Output:
	// key: kv-prod treasury
	// signed by the key's address: true <nil>
}
