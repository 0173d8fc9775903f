// Package keyvault signs with secp256k1 keys in Azure Key Vault and Managed
// HSM, through the unmodified azkeys and azidentity clients.
//
// A Vault finds the keys that can be Ethereum accounts, pins each to its key
// version and public key, and signs 32-byte digests with them: one round trip
// for a signature, none for a listing. It keeps within the vault's published
// request limits, says "busy" instead of timing out, and turns the service's
// errors into one line that says what to do.
//
// The package never hashes, never decides what may be signed, never lets out a
// signature that does not verify against the pinned public key, and never puts
// a secret or the service's raw answer into an error.
package keyvault
