package bolt

// WithRecordBounds are options that bound the records otherwise.
func (o Options) WithRecordBounds(records, bytes int) Options {
	o.most = size{keys: records, bytes: bytes}
	return o
}
