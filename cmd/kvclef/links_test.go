package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestLinks has what Kubernetes and Docker write, whole, and what one can have written and
// misspelt beside it.
func TestLinks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ of, not string }{
		"Kubernetes": {of: `
KVCLEF_SERVICE_HOST=10.0.0.1
KVCLEF_SERVICE_PORT=8550
KVCLEF_SERVICE_PORT_RPC=8550
KVCLEF_PORT=tcp://10.0.0.1:8550
KVCLEF_PORT_8550_TCP=tcp://10.0.0.1:8550
KVCLEF_PORT_8550_TCP_PROTO=tcp
KVCLEF_PORT_8550_TCP_PORT=8550
KVCLEF_PORT_8550_TCP_ADDR=10.0.0.1
KVCLEF_METRICS_SERVICE_HOST=fd00::1
KVCLEF_METRICS_SERVICE_PORT=9545
KVCLEF_METRICS_PORT=tcp://[fd00::1]:9545
KVCLEF_METRICS_PORT_9545_TCP_ADDR=fd00::1`, not: `
KVCLEF_METRICS_ADRR=10.0.0.1
KVCLEF_HTTP_SERVICE_HOST=10.0.0.1
KVCLEF_HTTP_SERVICE_PORT_RPC=8550
KVCLEF_SERVICE_PORT_HTTP=yes
KVCLEF_SERVICE_ADDR=10.0.0.1
KVCLEF_PORTT=8550`},
		"a port of one's own": {of: `
KVCLEF_METRICS_SERVICE_HOST=10.0.0.1
KVCLEF_METRICS_SERVICE_PORT=9545
KVCLEF_METRICS_PORT_9545_UDP=udp://10.0.0.1:9545`, not: `
KVCLEF_METRICS_PORT=9546`},
		"Docker": {of: `
KVCLEF_NAME=/web/kvclef
KVCLEF_PORT=tcp://172.17.0.2:8550
KVCLEF_PORT_8550_TCP=tcp://172.17.0.2:8550
KVCLEF_PORT_8550_TCP_START=tcp://172.17.0.2:8550
KVCLEF_PORT_8550_TCP_PORT_START=8550
KVCLEF_PORT_8550_TCP_END=tcp://172.17.0.2:8551
KVCLEF_PORT_8550_TCP_PORT_END=8551
KVCLEF_ENV_PATH=/bin
KVCLEF_ENV_KVCLEF_CHAINID=1
KVCLEF_METRICS_1_NAME=/web/kvclef-metrics-1
KVCLEF_METRICS_1_ENV_A_ENV_B=x`, not: `
KVCLEF_METRICS_NAME=/web/kvclef
KVCLEF_METRICS_ENV_PATH=/bin
KVCLEF_ENV=x
KVCLEF_PROXY_NAME=kvclef-proxy`},
		"neither": {not: `
KVCLEF_PORT=8550
KVCLEF_HTPP_PORT=8550
KVCLEF_HTTP_PORT_8550=8550
KVCLEF_PORT_8550_TCP=8550
KVCLEF_PORT_8550_TCP_ADDR=localhost
KVCLEF_PORT_8550_TCP_PORT=many
KVCLEF_PORT_8550_TCP_PROTO=udp
KVCLEF_PORT_8550_QUIC=tcp://10.0.0.1:8550
KVCLEF_NODE_URL=tcp://10.0.0.1:8550
KVCLEF_HTTPP_PORT=http://10.0.0.1:8550
KVCLEF_PROXY_PORT=tcp://node:8545
KVCLEF_NAME=kvclef
KVCLEF_SERVICE_HOST=10.0.0.1
KVCLEF_SERVICE_NAME=a
KVCLEF_ENV_PATH=/bin
PORT=tcp://10.0.0.1:8550
OTHER_PORT=tcp://10.0.0.1:8550`},
	} {
		all := make(links)
		for line := range strings.Lines(tt.of + "\n" + tt.not) {
			if variable, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				all[variable] = value
			}
		}
		for _, variable := range slices.Sorted(maps.Keys(all)) {
			want := strings.Contains(tt.of+"\n", "\n"+variable+"="+all[variable]+"\n")
			if got := all.made(variable); got != want {
				t.Errorf("%s: %s=%s: a link's %t, want %t", name, variable, all[variable], got, want)
			}
		}
	}
}
