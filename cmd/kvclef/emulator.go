package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// The files in the emulator's folder.
const (
	emulatorCA    = "ca.pem"
	emulatorState = "vault.json"
)

func (p *program) emulatorCommand() *cli.Command {
	return &cli.Command{
		Name:      "emulator",
		Usage:     "run an Azure Key Vault for tests, for any Azure SDK",
		UsageText: "kvclef emulator [--env-file FILE] [flags]",
		Description: examples(
			"start it and keep its keys", "kvclef emulator --datadir ./vault --env-file ./vault.env",
			"in another shell: everything that uses Azure's SDKs now talks to it", "source ./vault.env && kvclef keys create treasury",
		) + "\n\nNOT FOR PRODUCTION. It listens on this machine only. The variables lead all HTTPS of the shell that" +
			"\nsets them to the emulator, under the vault's genuine name and with all checks of the SDK on.",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "addr", Usage: "`HOST:PORT` to listen on, this machine only", Value: "127.0.0.1:0"},
			&cli.StringSliceFlag{Name: "key-vault", Usage: "`NAME` of a Key Vault; may be repeated", DefaultText: "dev"},
			&cli.StringSliceFlag{Name: "managed-hsm", Usage: "`NAME` of a Managed HSM; may be repeated"},
			&cli.StringFlag{Name: "datadir", Usage: "`FOLDER` for the keys, not encrypted, and the CA certificate", DefaultText: "keys in memory, certificate in a temporary folder"},
			&cli.StringFlag{Name: "env-file", Usage: "also write the variables to `FILE`, once the emulator listens"},
			&cli.DurationFlag{Name: "latency", Usage: "`TIME` that each key operation takes", DefaultText: "0s"},
			&cli.DurationFlag{Name: "token-lifetime", Usage: "`TIME` that tokens are good for", DefaultText: "1h"},
		}, logFlags()),
		Action: action(p.emulator),
	}
}

func (p *program) emulator(c *cli.Context) (err error) {
	if _, err := arguments(c); err != nil {
		return err
	}
	cfg := config.Default()
	set(c, "loglevel", c.String, &cfg.Log.Level)
	set(c, "log.format", c.String, &cfg.Log.Format)
	if err := cfg.Validate(); err != nil {
		return &usageError{err}
	}
	switch latency, lifetime := c.Duration("latency"), c.Duration("token-lifetime"); {
	case latency < 0:
		return usagef("--latency: %s; it must be from 0s", latency)
	case c.IsSet("token-lifetime") && lifetime <= 0:
		return usagef("--token-lifetime: %s; it must be above 0s", lifetime)
	}
	folder, remove, err := emulatorFolder(c.String("datadir"))
	if err != nil {
		return err
	}
	defer remove()
	options := emulator.Options{
		Addr:          c.String("addr"),
		Vaults:        emulatorVaults(c.StringSlice("key-vault"), c.StringSlice("managed-hsm")),
		Latency:       c.Duration("latency"),
		TokenLifetime: c.Duration("token-lifetime"),
		Logger:        newLogger(p.stderr, cfg.Log),
	}
	if err := options.Check(c.Context); err != nil {
		return &usageError{err}
	}
	if c.IsSet("datadir") {
		options.StateFile = filepath.Join(folder, emulatorState)
	}
	server, err := emulator.Start(c.Context, options)
	if err != nil {
		return portTaken(fmt.Errorf("starting the emulator: %w", err))
	}
	defer func() {
		if closing := server.Close(); err == nil {
			err = closing
		}
	}()
	return p.emulate(c.Context, server, options.Vaults, filepath.Join(folder, emulatorCA), c.String("env-file"))
}

// emulate tells how to reach the emulator and waits for the end.
func (p *program) emulate(ctx context.Context, server *emulator.Server, vaults []emulator.VaultOptions, ca, envFile string) error {
	if err := os.WriteFile(ca, server.CAPEM(), 0o644); err != nil { //nolint:gosec // a certificate is public
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	variables := emulatorVariables(server, vaults, ca)
	if envFile != "" {
		if err := replaceFile(envFile, variables); err != nil {
			return err
		}
	}
	if err := p.printf("%s", variables); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// emulatorVariables returns the lines of a POSIX shell that lead Azure's SDKs
// to the emulator. HTTPS goes through a proxy, so that vaults keep their
// genuine names; each language has a variable of its own for the CA.
func emulatorVariables(server *emulator.Server, vaults []emulator.VaultOptions, ca string) string {
	var b strings.Builder
	b.WriteString("# Azure Key Vault emulator, not for production. All HTTPS of this shell goes to it.\n")
	for _, variable := range [][2]string{
		{"AZURE_TENANT_ID", server.TenantID()},
		{"AZURE_CLIENT_ID", server.ClientID()},
		{"AZURE_CLIENT_SECRET", server.ClientSecret()},
		{"HTTPS_PROXY", server.ProxyURL()},
		{"https_proxy", server.ProxyURL()},
		{"NO_PROXY", ""},
		{"no_proxy", ""},
		{"SSL_CERT_FILE", ca},
		{"NODE_EXTRA_CA_CERTS", ca},
		{"REQUESTS_CA_BUNDLE", ca},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", variable[0], shellQuote(variable[1]))
	}
	for i, vault := range vaults {
		if i == 0 {
			fmt.Fprintf(&b, "export KVCLEF_VAULT=%s\n", server.VaultURL(vault.Name))
		}
		fmt.Fprintf(&b, "# vault: %s\n", server.VaultURL(vault.Name))
	}
	return b.String()
}

// emulatorVaults returns the vaults to run, one Key Vault if none is named.
func emulatorVaults(keyVaults, hsms []string) []emulator.VaultOptions {
	var vaults []emulator.VaultOptions
	for _, name := range keyVaults {
		vaults = append(vaults, emulator.VaultOptions{Name: name, Flavor: emulator.KeyVault})
	}
	for _, name := range hsms {
		vaults = append(vaults, emulator.VaultOptions{Name: name, Flavor: emulator.ManagedHSM})
	}
	if len(vaults) == 0 {
		vaults = []emulator.VaultOptions{{Name: "dev"}}
	}
	return vaults
}

// emulatorFolder makes the folder of the emulator's files. Without a name it is
// a temporary one that remove removes.
func emulatorFolder(dir string) (folder string, remove func(), err error) {
	if dir == "" {
		folder, err = os.MkdirTemp("", "kvclef-emulator-")
		if err != nil {
			return "", nil, fmt.Errorf("making a folder for the CA certificate: %w", err)
		}
		return folder, func() { _ = os.RemoveAll(folder) }, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, usagef("--datadir: %w", err)
	}
	folder, err = filepath.Abs(dir) // the variables are used in other folders too
	if err != nil {
		return "", nil, fmt.Errorf("--datadir: %w", err)
	}
	return folder, func() {}, nil
}

// replaceFile writes a file that only its owner may read, in one step: who
// waits for it never sees a part of it.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".kvclef-*") // mode 0600
	if err != nil {
		return usagef("--env-file: %w", err)
	}
	_, err = file.WriteString(text)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
