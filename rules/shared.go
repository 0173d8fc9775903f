package rules

import "context"

// Mark is a place in the history of records. Zero is their beginning.
type Mark uint64

// Shared is what a store has besides that several processes use at the same time. A
// store that one process has to itself need not have it.
type Shared interface {
	// Lock waits for a lock of that name, which one holder has at a time in all processes:
	// in each in the order of arrival, and the processes take turns. It ends with release, and by itself when the process ends
	// or is cut off from the store. So it keeps holders out of each other's way and
	// protects nothing: what must not happen twice needs a comparison in
	// [Records.ChangeRecords] as well.
	Lock(ctx context.Context, name string) (release func(), err error)

	// RecordsSince calls a function for the records with a prefix that were changed after
	// a mark, as they are now; nil is one that was removed. It returns the mark to go on
	// from: no change is missed, one may be told twice, and changes of this process are
	// told as well. A removal that is older than a day need not be told. An error of the
	// function ends it, and is returned. What the function must not do is as with
	// [Records.EachRecord].
	RecordsSince(ctx context.Context, prefix string, since Mark, do func(key string, value []byte) error) (Mark, error)
}
