package main

import (
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// observeFlags are for those who watch the signer.
func observeFlags() []cli.Flag {
	return []cli.Flag{
		boolFlag(categoryObserve, "metrics", "serve /metrics, /healthz and /readyz"),
		stringFlag(categoryObserve, "metrics.addr", "`HOST` to serve them on", "127.0.0.1"),
		&cli.IntFlag{
			Name: "metrics.port", Usage: "TCP `PORT` to serve them on, 0 for any", DefaultText: "9545",
			EnvVars: envOf("metrics.port"), Category: categoryObserve,
		},
		boolFlag(categoryObserve, "metrics.plain", "let other machines read them without encryption, where a network policy or a firewall lets in those alone who watch"),
		stringFlag(categoryObserve, "tracing.endpoint", "`URL` of the receiver of traces, by OTLP over HTTP, such as http://localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT, else none"),
		&cli.Float64Flag{
			Name: "tracing.sample", Usage: "`PART` of requests that is traced, from 0 to 1", DefaultText: "1",
			EnvVars: envOf("tracing.sample"), Category: categoryObserve,
		},
		stringFlag(categoryObserve, "tracing.headers-file", "`FILE` of headers for the receiver, NAME: VALUE on each line", "OTEL_EXPORTER_OTLP_HEADERS"),
	}
}

// overrideObserve puts what the flags say of metrics and traces into the
// configuration.
func overrideObserve(c *cli.Context, cfg *config.Config) error {
	set(c, "metrics", c.Bool, &cfg.Metrics.Enabled)
	set(c, "metrics.addr", c.String, &cfg.Metrics.Addr)
	set(c, "metrics.plain", c.Bool, &cfg.Metrics.Plain)
	set(c, "tracing.endpoint", c.String, &cfg.Tracing.Endpoint)
	set(c, "tracing.sample", c.Float64, &cfg.Tracing.Sample)
	set(c, "tracing.headers-file", c.String, &cfg.Tracing.HeadersFile)
	return setPort(c, "metrics.port", &cfg.Metrics.Port)
}
