package devnet

import "encoding/json"

// endpoints reads from geth's log where it listens.
type endpoints struct {
	complete chan struct{} // closed when both addresses are known
	public   string        // host:port of the HTTP listener; read it after complete
	engine   string        // host:port of the authenticated listener; likewise
}

func newEndpoints() *endpoints { return &endpoints{complete: make(chan struct{})} }

// read takes one line of the log.
func (e *endpoints) read(line []byte) {
	var entry struct {
		Message  string `json:"msg"`
		Endpoint string `json:"endpoint"`
		Auth     bool   `json:"auth"`
	}
	// geth writes a few lines of plain text too; they are not what is looked for.
	if json.Unmarshal(line, &entry) != nil || entry.Message != "HTTP server started" || e.known() {
		return
	}
	if entry.Auth {
		e.engine = entry.Endpoint
	} else {
		e.public = entry.Endpoint
	}
	if e.known() {
		close(e.complete)
	}
}

func (e *endpoints) known() bool { return e.public != "" && e.engine != "" }
