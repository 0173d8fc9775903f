package store

import "fmt"

// CheckPut refuses a key or a value that no storage keeps. The error is [ErrBounds].
func CheckPut(key, value string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", ErrBounds)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: the key has %d bytes, and may have %d", ErrBounds, len(key), MaxKey)
	case len(value) > MaxValue:
		return fmt.Errorf("%w: the value has %d bytes, and may have %d", ErrBounds, len(value), MaxValue)
	}
	return nil
}

// CheckHeld refuses what a transaction would hold in memory, in bytes: each value that it
// put, with its key and [PerKey]. The error is [ErrBounds].
func CheckHeld(bytes int) error {
	if bytes > MaxTxBytes {
		return fmt.Errorf("%w: a transaction has %d bytes, and may have %d", ErrBounds, bytes, MaxTxBytes)
	}
	return nil
}

// CheckRoom refuses a value by which a storage would have too many keys, or bytes of keys
// and values. One that deletes, "", always has room. The error is [ErrBounds].
func CheckRoom(value string, keys, bytes int) error {
	switch {
	case value == "":
		return nil
	case keys > MaxKeys:
		return fmt.Errorf("%w: it would have %d keys, and may have %d", ErrBounds, keys, MaxKeys)
	case bytes > MaxBytes:
		return fmt.Errorf("%w: it would have %d bytes, and may have %d", ErrBounds, bytes, MaxBytes)
	}
	return nil
}
