package clefui

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/clefargs"
)

// callbacks are what the interface may call: Clef's namespace clef, of which it
// may read, and change nothing.
type callbacks struct{ ui *UI }

// ListAccounts answers clef_listAccounts.
func (c *callbacks) ListAccounts() []clefargs.Account {
	return clefargs.AccountsOf(c.ui.options.Accounts())
}

// Wallet is a vault's key, as Clef lists a wallet.
type Wallet struct {
	URL      string             `json:"url"`
	Status   string             `json:"status"`
	Accounts []clefargs.Account `json:"accounts"`
}

// ListWallets answers clef_listWallets: each key is a wallet with one account, as
// each file of Clef's keystore is.
func (c *callbacks) ListWallets() []Wallet {
	wallets := []Wallet{}
	for _, account := range c.ListAccounts() {
		wallets = append(wallets, Wallet{URL: account.URL, Status: "Unlocked", Accounts: []clefargs.Account{account}})
	}
	return wallets
}

// ChainId answers clef_chainId.
func (c *callbacks) ChainId() hexutil.Uint64 { //nolint:revive // the method's name on the wire
	return hexutil.Uint64(c.ui.options.ChainID())
}

var (
	errKeys  = errors.New("kvclef holds no keys: they are made and imported in the vault, see kvclef keys")
	errChain = errors.New("the chain is chosen when kvclef starts, see --chainid")
)

// SetChainId refuses clef_setChainId.
func (*callbacks) SetChainId(hexutil.Uint64) error { return errChain } //nolint:revive // as above

// New refuses clef_new.
func (*callbacks) New() (common.Address, error) { return common.Address{}, errKeys }

// ImportRawKey refuses clef_importRawKey.
func (*callbacks) ImportRawKey(string, string) (common.Address, error) {
	return common.Address{}, errKeys
}

// Export refuses clef_export.
func (*callbacks) Export(common.Address) (string, error) { return "", errKeys }

// Import refuses clef_import.
func (*callbacks) Import(map[string]any, string, string) (common.Address, error) {
	return common.Address{}, errKeys
}

// OpenWallet refuses clef_openWallet.
func (*callbacks) OpenWallet(string, *string) error { return errKeys }

// DeriveAccount refuses clef_deriveAccount.
func (*callbacks) DeriveAccount(string, string, *bool) (common.Address, error) {
	return common.Address{}, errKeys
}
