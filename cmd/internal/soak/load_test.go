package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend/emulator"
)

const (
	chain     = 1337
	recipient = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
	stranger  = "0x71562b71999873DB5b286dF957af199Ec94617F7"

	faultEach = 150  // requests between two faults of the vault
	blobEach  = 2000 // requests between two with a blob in them, which take long
)

// callers are the connections of a round.
var callers = []string{"ipc", "https", "ws", "ipc", "https", "ipc", "https", "ipc"}

// load is what is asked in all rounds.
type load struct {
	*stage
	next   atomic.Int64
	signed atomic.Int64
	faults atomic.Int64

	mu     sync.Mutex
	failed []error // signatures that there should be; the vault's faults are among them
}

// round makes requests with new connections, which are closed in the end.
func (l *load) round(ctx context.Context, requests int) error {
	last := l.next.Load() + int64(requests)
	group, ctx := errgroup.WithContext(ctx)
	for _, transport := range callers {
		group.Go(func() error {
			client, hangUp, err := l.dial(ctx, transport)
			if err != nil {
				return err
			}
			defer hangUp()
			for {
				number := l.next.Add(1)
				if number > last {
					return nil
				}
				ask := l.ask
				if transport == "ws" {
					ask = l.askProxy
				}
				if err := ask(ctx, client, transport, number); err != nil {
					return fmt.Errorf("request %d, by %s: %w", number, transport, err)
				}
			}
		})
	}
	err := group.Wait()
	l.next.Store(last)
	return err
}

// ask makes one request, of the kind that its number says.
func (l *load) ask(ctx context.Context, client *rpc.Client, transport string, number int64) error {
	if number%faultEach == 0 {
		l.fail()
	}
	if number%blobEach == 1 {
		blob := l.transaction(number, map[string]any{"maxFeePerBlobGas": "0x1", "blobs": []string{"0x" + strings.Repeat("00", 131072)}})
		return l.sign(ctx, client, "account_signTransaction", blob)
	}
	switch number % 20 {
	case 0, 1:
		var accounts []string
		if err := client.CallContext(ctx, &accounts, "account_list"); err != nil || len(accounts) != 1 {
			return fmt.Errorf("accounts %q: %w", accounts, err)
		}
		return nil
	case 2, 3:
		return l.sign(ctx, client, "account_signTransaction", l.transaction(number, map[string]any{
			"gasPrice": "0x3b9aca00", "maxFeePerGas": nil, "maxPriorityFeePerGas": nil,
		}))
	case 4, 5:
		return l.sign(ctx, client, "account_signTransaction", l.transaction(number, map[string]any{
			"gasPrice": "0x3b9aca00", "maxFeePerGas": nil, "maxPriorityFeePerGas": nil,
			"accessList": []any{map[string]any{"address": recipient, "storageKeys": []string{fmt.Sprintf("0x%064x", number)}}},
		}))
	case 6:
		return l.sign(ctx, client, "account_signTransaction", l.transaction(number, map[string]any{
			"maxFeePerBlobGas": "0x1", "blobVersionedHashes": []string{fmt.Sprintf("0x01%062x", number)},
		}))
	case 7:
		return l.sign(ctx, client, "account_signTransaction", l.transaction(number, map[string]any{ // a call
			"input": fmt.Sprintf("0xa9059cbb%064s%064x", recipient[2:], number),
		}))
	case 8:
		return l.sign(ctx, client, "account_signData", "text/plain", l.account, hexutil.Encode(fmt.Appendf(nil, "message %d", number)))
	case 9:
		return l.sign(ctx, client, "account_signTypedData", l.account, json.RawMessage(fmt.Sprintf(mail, number)))
	case 10:
		return refused(client.CallContext(ctx, nil, "account_signTransaction", l.transaction(number, map[string]any{"to": stranger})))
	case 11:
		return refused(client.CallContext(ctx, nil, "account_signTransaction", l.transaction(number, map[string]any{"value": "0xde0b6b3a7640001"})))
	case 12:
		return refused(client.CallContext(ctx, nil, "account_signTransaction", l.transaction(number, map[string]any{"nonce": "twelve"})))
	case 13:
		return refused(client.CallContext(ctx, nil, fmt.Sprintf("account_unknown%d", number)))
	case 14:
		return l.hangUp(ctx, transport, number)
	}
	return l.sign(ctx, client, "account_signTransaction", l.transaction(number, nil))
}

// askProxy makes one request of an application, through the proxy.
func (l *load) askProxy(ctx context.Context, client *rpc.Client, _ string, number int64) error {
	switch number % 8 {
	case 0:
		var accounts []string
		if err := client.CallContext(ctx, &accounts, "eth_accounts"); err != nil || !slices.Contains(accounts, strings.ToLower(l.account.Hex())) {
			return fmt.Errorf("accounts %q: %w", accounts, err)
		}
		return nil
	case 1: // the node's answer
		return client.CallContext(ctx, nil, "eth_getBlockByNumber", "latest", true)
	case 2:
		heads := make(chan any)
		subscription, err := client.EthSubscribe(ctx, heads, "newHeads")
		if err == nil && number%16 == 2 { // the others end with the connection
			subscription.Unsubscribe()
		}
		return err
	case 3:
		return l.sign(ctx, client, "personal_sign", hexutil.Encode(fmt.Appendf(nil, "message %d", number)), l.account)
	case 4:
		return refused(client.CallContext(ctx, nil, "eth_sendTransaction", l.transaction(number, map[string]any{"to": stranger})))
	}
	return l.sign(ctx, client, "eth_signTypedData_v4", l.account, json.RawMessage(fmt.Sprintf(mail, number)))
}

// transaction is a payment of 1 wei, with other fields. Those that are nil are left out.
func (l *load) transaction(number int64, other map[string]any) map[string]any {
	tx := map[string]any{
		"from": l.account, "to": recipient, "gas": "0xc350", "value": "0x1", "nonce": "0x" + strconv.FormatInt(number, 16),
		"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3b9aca00", "chainId": hexutil.EncodeUint64(chain),
	}
	for name, value := range other {
		tx[name] = value
		if value == nil {
			delete(tx, name)
		}
	}
	return tx
}

// sign asks for a signature, which there is unless the vault fails.
func (l *load) sign(ctx context.Context, client *rpc.Client, method string, args ...any) error {
	err := client.CallContext(ctx, nil, method, args...)
	if err == nil {
		l.signed.Add(1)
		return nil
	}
	if answer := rpc.Error(nil); !asAnswer(err, &answer) {
		return err // of the connection
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, fmt.Errorf("%s: %w", method, err))
	return nil
}

// fail has the vault fail once, in another way each time.
func (l *load) fail() {
	faults := []emulator.Fault{
		{Kind: emulator.FaultServerError},
		{Kind: emulator.FaultThrottled},
		{Kind: emulator.FaultReset},
		{Kind: emulator.FaultLostReply},
		{Kind: emulator.FaultTruncated},
		{Kind: emulator.FaultUnauthorized},
		{Kind: emulator.FaultWrongSignature},
		{Kind: emulator.FaultSlow, Delay: 50 * time.Millisecond},
	}
	fault := faults[int(l.faults.Add(1))%len(faults)]
	fault.Op, fault.Times = emulator.OpSign, 1
	l.vault.Inject(fault)
}

// mail is typed data with a number in it.
const mail = `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"}],
"Mail":[{"name":"to","type":"address"},{"name":"number","type":"uint256"}]},"primaryType":"Mail",
"domain":{"name":"mail","chainId":"0x539"},"message":{"to":"` + recipient + `","number":"%d"}}`
