package config

import (
	"bytes"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestChart: the configurations that the Helm chart renders have nothing wrong in them.
// What it renders is checked in, and the chart's own tests compare it.
func TestChart(t *testing.T) {
	for _, name := range []string{"single", "replicas"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("../../packaging/helm/charttest/testdata/" + name + ".golden.yaml")
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Parse("kvclef.yaml", rendered(t, text))
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err != nil {
				t.Error(err)
			}
			tls := cfg.Listeners.HTTP.TLS
			if !cfg.Listeners.HTTP.Enabled || tls.CertFile == "" || tls.ClientCAFile == "" || !cfg.Metrics.Enabled {
				t.Errorf("nobody can use it, or everybody: %+v, %+v", cfg.Listeners.HTTP, cfg.Metrics)
			}
			if shared := cfg.Store.Postgres.Enabled(); shared != (name == "replicas") {
				t.Errorf("a shared store: %v", shared)
			}
		})
	}
}

// rendered returns kvclef.yaml from the ConfigMap among rendered documents.
func rendered(t *testing.T, text []byte) []byte {
	t.Helper()
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var object struct {
			Kind string            `yaml:"kind"`
			Data map[string]string `yaml:"data"`
		}
		if yaml.Unmarshal(document, &object) == nil && object.Kind == "ConfigMap" {
			return []byte(object.Data["kvclef.yaml"])
		}
	}
	t.Fatal("there is no ConfigMap")
	return nil
}
