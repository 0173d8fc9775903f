//go:build unix

package admin

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// endless is a listener on which somebody connects whenever it accepts, until
// it fails.
type endless struct {
	net.Listener
	accepted atomic.Int64
	failure  error
}

func (e *endless) Accept() (net.Conn, error) {
	if e.failure != nil {
		return nil, e.failure
	}
	e.accepted.Add(1)
	conn, other := net.Pipe()
	return conn, other.Close()
}

func (*endless) Close() error { return nil }

// TestConnectionsWaitForAPlace until one is closed, or the listener is.
func TestConnectionsWaitForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := new(endless)
		l := withPlaces(inner, 2)
		var open []net.Conn
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		var last error
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for last == nil {
				_, last = l.Accept()
			}
		}()
		synctest.Wait()
		if n := inner.accepted.Load(); n != 2 {
			t.Errorf("%d connections are open at a time, want 2", n)
		}
		if err := errors.Join(open[0].Close(), open[0].Close()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := inner.accepted.Load(); n != 3 {
			t.Errorf("%d connections after one was closed, twice, want 3", n)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		<-ended
		if !errors.Is(last, net.ErrClosed) {
			t.Errorf("after Close: %v", last)
		}
	})
	inner := &endless{failure: errors.New("too many open files")}
	l := withPlaces(inner, 1)
	for range 3 {
		if _, err := l.Accept(); !errors.Is(err, inner.failure) {
			t.Errorf("a failure: %v", err)
		}
	}
}

// TestAFullSocketAnswersLater: as soon as one of those that occupy all places
// has left.
func TestAFullSocketAnswersLater(t *testing.T) {
	t.Parallel()
	store, path := start(t)
	open := make([]net.Conn, maxConns)
	for i := range open {
		conn, err := dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		open[i] = conn
	}
	want := rules.Attestation{SHA256: common.Hash{1}, File: "rules.js", Time: time.Unix(1, 0).UTC()}
	client := connect(t, path)
	answered := make(chan error, 1)
	go func() { answered <- client.Attest(t.Context(), want) }()
	if err := errors.Join(open[0].Close(), <-answered); err != nil {
		t.Error(err)
	}
	if got, ok, err := store.Attestation(t.Context(), rules.RuleFile); err != nil || !ok || got.SHA256 != want.SHA256 {
		t.Errorf("kept: %+v, %t, %v", got, ok, err)
	}
}
