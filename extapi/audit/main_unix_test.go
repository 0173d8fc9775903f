//go:build unix

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// What the tests tell this program when they start it as another process.
const (
	storyVariable = "KVCLEF_AUDIT_TEST_STORY" // the name of a point, "load", "full" or "descriptors"
	timesVariable = "KVCLEF_AUDIT_TEST_TIMES"
)

// crashed is the exit code at a point.
const crashed = 42

// TestMain checks that no test leaves a goroutine behind, and is the program of
// the tests that need a process of their own.
func TestMain(m *testing.M) {
	if story := os.Getenv(storyVariable); story != "" {
		if err := play(story, "audit.log"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// process is this program as another process, with the log of a directory.
func process(t *testing.T, story, dir string, times int) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), storyVariable+"="+story, timesVariable+"="+strconv.Itoa(times))
	return cmd
}

func play(story, path string) error {
	ctx := context.Background()
	switch story {
	case "full":
		return playFull(ctx, path)
	case "descriptors":
		return playDescriptors(ctx, path)
	}
	times, err := strconv.Atoi(os.Getenv(timesVariable))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	log, err := Open(ctx, path, Options{MaxBytes: 5000, Hook: func(point string) {
		mu.Lock()
		defer mu.Unlock()
		if point == story {
			if times--; times == 0 {
				os.Exit(crashed)
			}
		}
	}})
	if err != nil {
		return err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	StartCheckpointer(ctx, log, CheckpointerOptions{Sign: signer(key), Key: crypto.PubkeyToAddress(key.PublicKey), EveryEntries: 10, Interval: time.Hour})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100_000 {
				seq, err := log.append(ctx, decision(0))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				// One write, so that the reader has whole lines.
				if _, err := fmt.Fprintf(os.Stdout, "%d\n", seq); err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.New("the process was not stopped")
}

// playFull writes until the file may not grow, and once more when it may.
func playFull(ctx context.Context, path string) error {
	signal.Ignore(unix.SIGXFSZ)
	log, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10_000, Max: limit.Max}); err != nil {
		return err
	}
	written := 0
	for err == nil {
		if err = log.Append(ctx, decision(written)); err == nil {
			written++
		}
	}
	if errors.Is(err, ErrBroken) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("the error of a full disk is: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != log.active.size {
		return fmt.Errorf("%d bytes, not %d: %w", info.Size(), log.active.size, err)
	}
	if seq, _ := log.Head(); seq != uint64(written) {
		return fmt.Errorf("head %d after %d entries", seq, written)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := log.Append(ctx, decision(written)); err != nil {
		return fmt.Errorf("after the disk has room again: %w", err)
	}
	return log.Close()
}

// playDescriptors rotates while this process has all the files that it may have.
func playDescriptors(ctx context.Context, path string) error {
	log, err := Open(ctx, path, Options{MaxBytes: 5000})
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = min(limit.Cur, 64)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var files []*os.File
	for err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			files = append(files, f)
		}
	}
	if !errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("the error of too many files is: %w", err)
	}
	for i := range 20 {
		if err := log.Append(ctx, decision(i)); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	failures := []error{log.Close()}
	for _, f := range files {
		failures = append(failures, f.Close())
	}
	return errors.Join(failures...)
}
