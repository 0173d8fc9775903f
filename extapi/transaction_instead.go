package extapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/rules"
)

// insteadError is the refusal of a transaction in whose place people put another
// one. A caller sees Clef's text.
type insteadError struct{ substitute *rules.Substitute }

// Error returns Clef's text.
func (*insteadError) Error() string { return errDenied.Error() }

// Is makes it one of the refusals.
func (*insteadError) Is(target error) bool { return target == errDenied }

// instead makes a new request of what people put in the place of a transaction, and
// has it decided and signed. The account stays the same, and people have one say:
// with any other error there is nothing to do.
func (a *Account) instead(ctx context.Context, method string, asked *TransactionArgs, err error) (*SignedTransaction, error) {
	var refused *insteadError
	if !errors.As(err, &refused) || rules.SubstituteOf(ctx) != nil {
		return nil, err
	}
	var args TransactionArgs
	if decoding := json.Unmarshal(refused.substitute.Transaction, &args); decoding != nil {
		return nil, errors.Join(err, fmt.Errorf("decoding the changed transaction: %w", decoding))
	}
	if args.From.Address() != asked.From.Address() {
		return nil, errors.Join(err, errors.New("the changed transaction is of another account"))
	}
	a.log.WarnContext(ctx, "Transaction changed by the user interface: it is decided anew", "account", args.From.Address())
	return a.signTransaction(rules.WithSubstitute(ctx, refused.substitute), method, args, nil, nil)
}
