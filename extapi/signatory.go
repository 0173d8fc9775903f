package extapi

import "context"

// Signatory signs for the methods of other namespaces than account, by the same
// path. It is apart from [Account], every method of which can be called over the
// wire. Its errors are fit for the caller; after one no signature has left the
// signer.
type Signatory struct{ account *Account }

// NewSignatory returns the signatory of an account.
func NewSignatory(account *Account) Signatory { return Signatory{account} }

// SignTransaction signs a complete transaction. Method is the JSON-RPC method that
// asks; filled names the members that the caller had left out.
func (s Signatory) SignTransaction(ctx context.Context, method string, args TransactionArgs, filled []string) (*SignedTransaction, error) {
	return s.account.signTransaction(ctx, method, args, nil, filled)
}
