package memory

// NewBoundedRecords are records that have bounds of their own.
func NewBoundedRecords(records, bytes int) *Records { return newRecords(records, bytes) }
