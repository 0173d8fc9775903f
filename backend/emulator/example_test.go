package emulator_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend/emulator"
)

// A vault in process, behind its genuine name: nothing of the SDK is switched off.
func ExampleStart() {
	ctx := context.Background()
	vault, err := emulator.Start(ctx, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "treasury"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer vault.Close()
	if _, err := vault.CreateKey("treasury", "payments"); err != nil {
		fmt.Println(err)
		return
	}

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(vault.CAPEM())
	transport := &http.Transport{
		DialContext:     vault.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	defer transport.CloseIdleConnections()
	options := azcore.ClientOptions{Transport: &http.Client{Transport: transport}}

	credential, err := azidentity.NewClientSecretCredential(vault.TenantID(), vault.ClientID(), vault.ClientSecret(),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := azkeys.NewClient(vault.VaultURL("treasury"), credential, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := client.GetKey(ctx, "payments", "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*key.Key.Kty, *key.Key.Crv, key.Key.KID.Name())
	// Output: EC P-256K payments
}
