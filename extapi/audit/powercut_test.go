package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A power cut leaves of each file what it was flushed with and, of what was written
// since, any sectors: the others are as before, or zeros where the file has grown.

// sector is what a disk writes at once, in bytes.
const sector = 512

var errPower = errors.New("no power")

// powered is a disk that can be cut off.
type powered struct {
	mu    sync.Mutex
	off   bool
	count func() // is called before each operation
	files map[string]*poweredFile
}

// poweredFile is a file, and what of it is on the disk.
type poweredFile struct {
	*os.File
	disk    *powered
	durable []byte
}

func (p *powered) open(path string, flag int, mode fs.FileMode) (file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	opened := &poweredFile{File: f, disk: p}
	if before := p.files[path]; before != nil && flag&os.O_EXCL == 0 {
		opened.durable = before.durable
	} else if opened.durable, err = os.ReadFile(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p.files[path] = opened
	return opened, nil
}

func (p *powered) rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[to] = p.files[from]
	delete(p.files, from)
	return os.Rename(from, to)
}

func (f *poweredFile) WriteAt(b []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.count(); f.disk.off {
		return 0, errPower
	}
	return f.File.WriteAt(b, offset)
}

func (f *poweredFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.count(); f.disk.off {
		return errPower
	}
	return f.File.Truncate(size)
}

func (f *poweredFile) Sync() (err error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.count(); f.disk.off {
		return errPower
	}
	f.durable, err = os.ReadFile(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		f.durable, err = os.ReadFile(f.nameNow())
	}
	return err
}

// nameNow is the name of a file that was renamed.
func (f *poweredFile) nameNow() string {
	for name, other := range f.disk.files {
		if other == f {
			return name
		}
	}
	return f.Name()
}

// cut ends all writing, and makes another directory that has what is on the disk.
func (p *powered) cut(t *testing.T, random *rand.Rand, from, to string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	all, err := filepath.Glob(filepath.Join(from, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text := readFile(t, name)
		if f := p.files[name]; f != nil {
			text = left(random, f.durable, text)
		}
		writeFile(t, filepath.Join(to, filepath.Base(name)), text)
	}
}

// left is what a cut leaves of a file: it may have its new size before its new bytes, or
// still have its old one.
func left(random *rand.Rand, durable, now []byte) []byte {
	size := min(len(durable), len(now)) + random.IntN(max(len(durable), len(now))-min(len(durable), len(now))+1)
	text := make([]byte, size)
	copy(text, durable)
	chance := random.IntN(4) // of three, that a sector was written
	for at := 0; at < size; at += sector {
		if end := min(at+sector, size, len(now)); random.IntN(3) < chance && at < end {
			copy(text[at:end], now[at:end])
		}
	}
	return text
}

// TestPowerCut: whatever a power cut leaves, also of a log that is being brought in order
// after another one, all that was acknowledged is there.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	const rounds = 60
	completed := 0
	for round := range uint64(rounds) {
		random := rand.New(rand.NewPCG(round, 1))
		path := filepath.Join(t.TempDir(), "audit.log")
		told := uint64(0)
		for range 4 {
			path, told = untilCut(t, random, path, told)
			if err := Check(t.Context(), path, Head{}); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		complete := all(t, Complete(t.Context(), path, 1))
		l := open(t, path, Options{journal: 5000})
		head, _ := l.Head()
		for i, record := range all(t, Entries(t.Context(), path, 1)) {
			if i < len(complete) && (record.Hash != complete[i].Hash || !bytes.Equal(record.Raw, complete[i].Raw)) ||
				i >= len(complete) && record.Entry.Event != EventRecovered {
				t.Fatalf("round %d: entry %d is not the one that was there to be read", round, i+1)
			}
		}
		closeLog(t, l)
		if head < told {
			t.Fatalf("round %d: %d were acknowledged, %d are there", round, told, head)
		}
		verify(t, path, VerifyOptions{})
		if all := events(t, path, 1); slices.ContainsFunc(all, func(e Entry) bool { return strings.Contains(e.Note, "from the journal") }) {
			completed++
		}
		if len(files(t, path)) == 0 {
			t.Fatal("no segments")
		}
	}
	if completed < rounds/2 {
		t.Errorf("%d of %d logs were completed from the journal: this shows little", completed, rounds)
	}
}

// untilCut writes until the power is cut, and returns where what is left lies, and the last
// entry that was acknowledged.
func untilCut(t *testing.T, random *rand.Rand, path string, told uint64) (string, uint64) {
	t.Helper()
	disk := &powered{files: make(map[string]*poweredFile)}
	most := 1 + random.Int64N(300) // operations until the cut
	disk.count = func() {
		if most--; most <= 0 {
			disk.off = true
		}
	}
	l, err := Open(t.Context(), path, Options{open: disk.open, rename: disk.rename, journal: 4000 + random.Int64N(9000), MaxBytes: 20_000 + random.Int64N(40_000)})
	var acknowledged atomic.Uint64
	acknowledged.Store(told)
	if err == nil {
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				for i := 0; ; i++ {
					seq, err := l.append(t.Context(), decision(i))
					if err != nil {
						return
					}
					for last := acknowledged.Load(); seq > last && !acknowledged.CompareAndSwap(last, seq); {
						last = acknowledged.Load()
					}
				}
			})
		}
		group.Wait()
		l.Close()
	} else if !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	after := filepath.Join(t.TempDir(), "audit.log")
	disk.cut(t, random, filepath.Dir(path), filepath.Dir(after))
	return after, acknowledged.Load()
}
