package extapi

import (
	"cmp"
	"fmt"

	"github.com/ethereum/go-ethereum/rpc"
)

// Register gives a server the methods of every namespace that callers reach:
// account, as Clef has it, eth and personal for tools that sign with a node's
// methods, health and opsigner for those of the OP stack. Release is what
// health_status answers; "" is the version of the external API.
func Register(server *rpc.Server, account *Account, release string) error {
	return register(server, namespaces(account, release))
}

// namespaces are the receivers, by their namespace. Every exported method of one
// can be called over the wire.
func namespaces(account *Account, release string) map[string]any {
	signatory := NewSignatory(account)
	return map[string]any{
		"account":  account,
		"eth":      ethAPI{signatory},
		"personal": personalAPI{signatory},
		"health":   healthAPI{cmp.Or(release, Version)},
		"opsigner": opsignerAPI{account},
	}
}

func register(server *rpc.Server, receivers map[string]any) error {
	for name, receiver := range receivers {
		if err := server.RegisterName(name, receiver); err != nil {
			return fmt.Errorf("registering the %s namespace: %w", name, err)
		}
	}
	return nil
}
