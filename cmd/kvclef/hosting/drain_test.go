package hosting

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestStoppingWaitsForRequests: a request that is being answered may sign, so that
// its vault and its node are there until it has been, or until the time is up.
func TestStoppingWaitsForRequests(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testing.T, *house, string){
		"deleting by force": func(t *testing.T, h *house, id string) {
			if err := h.DeleteService(t.Context(), home, id, true); err != nil {
				t.Errorf("deleting: %v", err)
			}
		},
		"closing": func(t *testing.T, h *house, _ string) {
			ctx, cancel := context.WithTimeout(t.Context(), stopTimeout)
			defer cancel()
			if err := h.Close(ctx); err != nil {
				t.Errorf("closing: %v", err)
			}
		},
	} {
		for _, answered := range []time.Duration{time.Second, time.Hour} {
			t.Run(name+" "+answered.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := open(t, nil, nil)
					h.stage.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
						time.Sleep(answered) //nolint:forbidigo // of the bubble's clock
					})
					_, made := h.furnish(t, "prod", 1)
					id := made[0].ID
					go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/services/"+id, http.NoBody))
					synctest.Wait()
					begun := time.Now()
					go stop(t, h, id)
					synctest.Wait()
					act := h.stage.act(t, id)
					if act.isStopped() {
						t.Error("it is stopped while it answers")
					}
					if status, _ := h.get(t, "/services/"+id); status == http.StatusOK {
						t.Error("it lets requests in")
					}
					time.Sleep(stopTimeout + time.Second) //nolint:forbidigo // likewise
					synctest.Wait()
					if took := act.stopTime().Sub(begun); took != min(answered, stopTimeout) {
						t.Errorf("it is stopped after %s", took)
					}
					time.Sleep(answered) //nolint:forbidigo // likewise
				})
			})
		}
	}
}
