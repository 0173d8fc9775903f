package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// CheckpointerOptions say who signs the head of the chain, and how often.
type CheckpointerOptions struct {
	// Sign returns r‖s‖yparity of a digest, made with the key of Key.
	Sign func(ctx context.Context, digest common.Hash) ([65]byte, error)
	Key  common.Address

	Interval     time.Duration // between two checkpoints while there are new entries; 0 is a minute
	EveryEntries uint64        // so many entries don't wait for it; 0 is 1,000
	Timeout      time.Duration // for one checkpoint; 0 is 10 seconds
	Logger       *slog.Logger  // nil discards
}

// Checkpointer signs the head of a log now and then, so that a cut at the end
// is found. A checkpoint goes to three places: into the chain, into a file
// beside the log, and into the ordinary log, which usually leaves the machine.
//
// It never stops anyone from signing: what fails is logged and tried again.
type Checkpointer struct {
	log     *Log
	options CheckpointerOptions
	cancel  context.CancelFunc
	stop    func() // ends run after the checkpoint that is under way
	done    chan struct{}

	mu      sync.Mutex // one checkpoint at a time
	covered uint64     // the last entry that one covers
}

// StartCheckpointer starts one. It ends with Close, or with ctx.
func StartCheckpointer(ctx context.Context, log *Log, options CheckpointerOptions) *Checkpointer {
	if options.Interval <= 0 {
		options.Interval = time.Minute
	}
	if options.EveryEntries == 0 {
		options.EveryEntries = 1000
	}
	if options.Timeout <= 0 {
		options.Timeout = 10 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	c := &Checkpointer{
		log: log, options: options, cancel: cancel, stop: sync.OnceFunc(func() { close(stopped) }),
		done: make(chan struct{}), covered: log.checkpoint.Seq,
	}
	log.watch.Store(c.covered + options.EveryEntries)
	go c.run(ctx, stopped)
	return c
}

// Close makes a last checkpoint, if there are new entries, within the timeout
// of one and until ctx ends. It comes before the log's own Close.
func (c *Checkpointer) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	defer c.cancel()
	c.stop()
	select {
	case <-c.done:
		return c.Checkpoint(ctx)
	case <-ctx.Done():
		return fmt.Errorf("waiting for a checkpoint to end: %w", ctx.Err())
	}
}

func (c *Checkpointer) run(ctx context.Context, stopped <-chan struct{}) {
	defer close(c.done)
	tick := time.NewTicker(c.options.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stopped:
			return
		case <-tick.C:
		case <-c.log.grown:
		}
		if err := c.Checkpoint(ctx); err != nil && ctx.Err() == nil {
			c.options.Logger.WarnContext(ctx, "Audit log not checkpointed: trying again", "error", err)
		}
		// After a failure too, so that the next try waits.
		head, _ := c.log.Head()
		c.log.watch.Store(head + c.options.EveryEntries)
	}
}

// Checkpoint makes one now, if there are entries that the last did not cover.
func (c *Checkpointer) Checkpoint(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	seq, head := c.log.Head()
	if seq <= c.covered+1 && c.covered > 0 || seq == 0 {
		return nil // but for the last one's own entry, there is nothing new
	}
	checkpoint, err := c.sign(ctx, seq, head)
	if err != nil {
		return err
	}
	c.options.Logger.InfoContext(ctx, "Audit log checkpointed", "seq", checkpoint.Seq, "head", checkpoint.Head,
		"time", checkpoint.Time, "key", checkpoint.Key, "signature", checkpoint.Signature)
	c.log.options.Hook(PointCheckpoint)
	if now, _ := c.log.Head(); now-seq >= recent/2 {
		return fmt.Errorf("signing a checkpoint took so long that %d entries followed", now-seq)
	}
	if err := c.log.Append(ctx, Entry{Event: EventCheckpoint, Checkpoint: &checkpoint}); err != nil {
		return err
	}
	c.log.options.Hook(PointCheckpointed)
	if err := writeCheckpoint(c.log.path+checkpointSuffix, checkpoint, c.log.options.Hook); err != nil {
		return err
	}
	c.covered = seq
	return nil
}

// sign signs a head and checks the signature.
func (c *Checkpointer) sign(ctx context.Context, seq uint64, head string) (checkpoint Checkpoint, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			err = errors.New("signing a checkpoint: the signer crashed")
			c.options.Logger.ErrorContext(ctx, "Signer of checkpoints crashed", "panic", crash)
		}
	}()
	signature, err := c.options.Sign(ctx, CheckpointDigest(seq, head))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("signing a checkpoint: %w", err)
	}
	checkpoint = Checkpoint{
		Seq: seq, Head: head, Time: c.log.options.Now().UTC().Truncate(time.Microsecond),
		Key: c.options.Key.Hex(), Signature: hexutil.Encode(signature[:]),
	}
	if err := checkpoint.Verify(); err != nil {
		return Checkpoint{}, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return checkpoint, nil
}
