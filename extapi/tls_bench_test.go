package extapi

import (
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// BenchmarkTLS calls over HTTPS with a client certificate and in clear in turn,
// and reports the time of each: on connections that stay, and on a new one for
// each call, which has a handshake.
func BenchmarkTLS(b *testing.B) {
	p := newPremises(b)
	encrypted, open := unchecked(b, length{}, ServerConfig{TLS: p.cfg}), unchecked(b, length{}, ServerConfig{})
	cert := p.client(x509.Certificate{DNSNames: []string{"op-batcher.example"}})
	for name, once := range map[string]bool{"call": false, "connection": true} {
		b.Run(name, func(b *testing.B) {
			dial := func(endpoint string, transport *http.Transport) *rpc.Client {
				transport.DisableKeepAlives = once
				client, err := rpc.DialOptions(b.Context(), endpoint, rpc.WithHTTPClient(&http.Client{Transport: transport}))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(transport.CloseIdleConnections)
				return client
			}
			caller := p.caller(encrypted, cert)
			overTLS, inClear := dial(caller.url, caller.transport), dial("http://"+open.HTTPAddr(), new(http.Transport))
			var tlsTime, clearTime time.Duration
			for b.Loop() {
				clearTime += timeCall(b, inClear, "x")
				tlsTime += timeCall(b, overTLS, "x")
			}
			n := float64(b.N)
			b.ReportMetric(float64(tlsTime.Nanoseconds())/n, "ns/tls")
			b.ReportMetric(float64(clearTime.Nanoseconds())/n, "ns/clear")
			b.ReportMetric(0, "ns/op") // both together: means nothing
		})
	}
}
