package approval

import "context"

// Sweep ends and removes what is due.
func (q *Queue) Sweep(ctx context.Context) { q.sweep(ctx) }
