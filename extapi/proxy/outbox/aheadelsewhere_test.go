package outbox

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestHealedElsewhere: a replica that sends nothing sees that another one has gone back with a
// lane that was beyond what the node takes.
func TestHealedElsewhere(t *testing.T) {
	for name, restart := range map[string]bool{"runs": false, "starts meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			count := uint64(0)
			worlds := newReplicas(t, 2, func(w *world) { w.cfg.Node = countsBeyond{batchNode{w.node}, &count} })
			sends, idle := worlds[0], worlds[1]
			sends.goBeyond(t, &count)
			idle.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			if restart {
				idle.restart(t)
			}
			for range patienceGap + 1 {
				sends.block(t)
				idle.step(t.Context())
			}
			log.Reset()
			for i := range 20 {
				sends.mustSend(t, sends.transfer(t, 10+i), "")
				sends.block(t)
				idle.step(t.Context())
			}
			for range 15 {
				sends.block(t)
				idle.step(t.Context())
			}
			for _, w := range worlds {
				listing, err := w.List(t.Context(), Filter{})
				if err != nil || len(listing.Lanes) != 1 || listing.Lanes[0].Missing != nil || len(w.book.ahead("")) != 0 {
					t.Errorf("%+v, %v; %d are looked at", listing, err, len(w.book.ahead("")))
				}
			}
			if text := log.String(); strings.Contains(text, "nothing has") {
				t.Errorf("the log says %s", text)
			}
		})
	}
}
