package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine is what was measured on.
type machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Memory    string `json:"memory"`
	Kernel    string `json:"kernel"`
}

// readMachine asks Linux; what it does not tell is "unknown".
func readMachine() machine {
	return machine{
		Processor: found("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		Memory: found("/proc/meminfo", "MemTotal"), Kernel: kernel(),
	}
}

func found(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// machineLoad is the number of processes that ran or wanted to, averaged over a
// minute; 0 where Linux does not tell.
func machineLoad() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	one, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(one, 64)
	if err != nil {
		return 0
	}
	return load
}

// programs are the versions of what was compared.
type programs struct {
	Kvclef   string `json:"kvclef"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Clef     string `json:"clef"`
	Go       string `json:"go"`
}

// versions asks the programs.
func versions(ctx context.Context, kvclef, clef string) (programs, error) {
	text, err := exec.CommandContext(ctx, kvclef, "version", "--json").Output()
	if err != nil {
		return programs{}, fmt.Errorf("asking kvclef for its version (make build): %w", err)
	}
	var own struct {
		Version, Revision, Go string
		Modified              bool
	}
	if err := json.Unmarshal(text, &own); err != nil {
		return programs{}, fmt.Errorf("reading kvclef's version: %w", err)
	}
	of := programs{Kvclef: own.Version, Revision: own.Revision, Modified: own.Modified, Clef: "no Clef", Go: own.Go}
	if clef == "" {
		return of, nil
	}
	text, err = exec.CommandContext(ctx, clef, "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("asking Clef for its version (make .ci/tools/bin/clef): %w", err)
	}
	of.Clef = strings.TrimSpace(string(text))
	return of, nil
}
