package soak_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/ethereum/go-ethereum/rpc"
)

// hangUp is a caller that is gone before it has an answer, or in the middle of what it
// asks. What becomes of it is for the audit log alone.
func (l *load) hangUp(ctx context.Context, transport string, number int64) error {
	conn, err := l.raw(ctx, transport)
	if err != nil {
		return fmt.Errorf("connecting to hang up: %w", err)
	}
	defer conn.Close()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"account_signData","params":["text/plain",%q,"0x68656c6c6f"]}`, number, l.account.Hex())
	length := len(body)
	switch number / 20 % 4 {
	case 0: // all of it, and no interest in the answer
	case 1: // half of it
		body = body[:len(body)/2]
	case 2: // what is not JSON
		body = `{"jsonrpc":` + "\x00\xff" + `}}}]`
		length = len(body)
	case 3: // nothing at all
		return nil
	}
	if transport != "ipc" {
		body = fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, body)
	}
	if _, err := io.WriteString(conn, body); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("asking to hang up: %w", err)
	}
	return nil
}

// refused wants the answer to be an error of the signer.
func refused(err error) error {
	if err == nil {
		return errors.New("answered, want it refused")
	}
	if answer := rpc.Error(nil); !asAnswer(err, &answer) {
		return fmt.Errorf("want it refused: %w", err)
	}
	return nil
}

// asAnswer tells whether an error is the signer's answer.
func asAnswer(err error, answer *rpc.Error) bool { return errors.As(err, answer) }
