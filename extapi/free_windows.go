package extapi

import "context"

// bind says nothing: a port that is taken is found when it is opened.
func bind(context.Context, string) error { return nil }
