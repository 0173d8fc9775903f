//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAsServiceIsLikeTheService: what the Debian package runs commands by has the service's
// user, folders, credentials and bounds, and takes nothing of a signer that runs.
func TestAsServiceIsLikeTheService(t *testing.T) {
	t.Parallel()
	const deb = "../packaging/deb/"
	unit, err := os.ReadFile(deb + "kvclef.service")
	if err != nil {
		t.Fatal(err)
	}
	service := strings.Split(string(unit), "\n")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "systemd-run"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for instance, name := range map[string]string{"": "kvclef", "two": "kvclef-two"} {
		cmd := exec.CommandContext(t.Context(), "sh", deb+"as-service", "state", "backup", "-")
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "INSTANCE=" + instance}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if i := slices.Index(args, "/usr/bin/kvclef"); i < 0 || strings.Join(args[i+1:], " ") != "state backup -" {
			t.Errorf("%s: the command is not as it was given: %q", name, args)
		}
		properties := make(map[string]bool)
		environment := make(map[string]string)
		for i, arg := range args {
			switch property, value, _ := strings.Cut(arg, "="); {
			case i == 0:
			case args[i-1] == "-E":
				environment[property] = value
			case args[i-1] == "-p":
				properties[property] = true
				if value == name { // build.sh makes the instance's unit so
					value = "kvclef"
				}
				if !slices.Contains(service, property+"="+value) {
					t.Errorf("%s: %s is not in the unit", name, arg)
				}
			}
		}
		for _, needed := range []string{"DynamicUser", "User", "StateDirectory", "StateDirectoryMode", "LoadCredential", "UMask"} {
			if !properties[needed] {
				t.Errorf("%s: %s= is missing", name, needed)
			}
		}
		if properties["RuntimeDirectory"] {
			t.Errorf("%s: the end of the command would take the running signer's socket away", name)
		}
		config := "/etc/kvclef/" + strings.TrimPrefix(name, "kvclef-") + ".yaml"
		if environment["KVCLEF_CONFIG"] != config || environment["RUNTIME_DIRECTORY"] != "/run/"+name {
			t.Errorf("%s: its environment is %v", name, environment)
		}
	}
	for _, line := range []string{"ExecStart=/usr/bin/kvclef serve --config /etc/kvclef/kvclef.yaml", "RuntimeDirectory=kvclef"} {
		if !slices.Contains(service, line) {
			t.Errorf("the unit has no %s", line)
		}
	}
}

// TestPackageShowsCommandsThatSucceed: a check before there is a state fails.
func TestPackageShowsCommandsThatSucceed(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../../docs/install.md", "../packaging/deb/README.Debian"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, match := range regexp.MustCompile(`(?m)^ *(?:/usr/libexec/kvclef/as-service|systemctl) (init|rules attest|check|enable)\b`).FindAllStringSubmatch(string(text), 4) {
			order = append(order, match[1])
		}
		if want := "init, rules attest, check, enable"; strings.Join(order, ", ") != want {
			t.Errorf("%s shows %v, want %s", page, order, want)
		}
	}
}

// TestCredentialsOfAnotherUnit: a secret where the service manager puts it is found by the unit's
// own variable; without, the error says what is missing, and commands that need none go on.
func TestCredentialsOfAnotherUnit(t *testing.T) {
	t.Parallel()
	b := newBlackBox(t)
	folder := filepath.Join(b.dir, "credentials")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	b.write(t, "credentials/secret_prod", b.vault.ClientSecret()+"\n")
	config := b.write(t, "unit.yaml", "datadir: data\nlisteners: {ipc: {path: "+b.dir+"/closed/run/kvclef.ipc}}\nvaults: [{url: "+prodVault+", credential: {kind: client-secret, tenant_id: "+
		b.vault.TenantID()+", client_id: "+b.vault.ClientID()+`, secret_file: "${CREDENTIALS_DIRECTORY}/secret_prod"}}]`+"\n")
	if err := os.Mkdir(filepath.Join(b.dir, "closed"), 0o500); err != nil {
		t.Fatal(err)
	}
	if out, code := b.tool(t, "init", "--config", config); code != exitOK {
		t.Fatalf("init: exit code %d\n%s", code, out)
	}
	out, code := b.tool(t, "check", "--config", config)
	if code != exitUsage || !strings.Contains(out, "CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=") {
		t.Errorf("without the variable: exit code %d\n%s", code, out)
	}
	b.env = append(b.env, "CREDENTIALS_DIRECTORY="+folder)
	if out, code = b.tool(t, "check", "--config", config); os.Geteuid() != 0 && (code != exitUsage || !strings.Contains(out, "may not write in the folder "+b.dir+"/closed")) {
		t.Errorf("a folder that can't be made: exit code %d\n%s", code, out)
	}
	b.env = append(b.env, "RUNTIME_DIRECTORY="+b.dir+"/other:"+b.dir+"/closed/run")
	for _, command := range []string{"check", "keys list"} {
		if out, code = b.tool(t, append(strings.Fields(command), "--config", config)...); code != exitOK || !strings.Contains(out, "treasury") {
			t.Errorf("%s: exit code %d\n%s", command, code, out)
		}
	}
}
