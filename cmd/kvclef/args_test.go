package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func newProgram() *program {
	return &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
}

func TestArrange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, want string }{
		{"", "serve"},
		{"--chainid 1", "serve --chainid=1"},
		{"--chainid=1 serve", "serve --chainid=1"},
		{"serve --chainid 1", "serve --chainid=1"},
		{"-chainid 1 -http serve", "serve -chainid=1 -http"},
		{"--http=false dev", "dev --http=false"},
		{"keys --config a.yaml list --json", "keys list --config=a.yaml --json"},
		{"--config a.yaml keys list", "keys list --config=a.yaml"},
		{"keys create treasury --vault prod --hsm", "keys create --vault=prod --hsm -- treasury"},
		{"keys import treasury --yes key.hex", "keys import --yes -- treasury key.hex"},
		{"keys show -- --odd", "keys show -- --odd"},
		{"keys import treasury -", "keys import -- treasury -"},
		{"--vault a --vault b check", "check --vault=a --vault=b"},
		{"--ipcpath -x.ipc", "serve --ipcpath=-x.ipc"},
		{"--nousb --pcscdpath serve dev", "dev"},
		{"--help", "--help"},
		{"help", "--help"},
		{"help keys list", "keys list --help"},
		{"dev -h", "dev -h"},
		{"--http --help", "serve --http --help"},
	} {
		p := newProgram()
		got, err := p.arrange(p.app(), append([]string{"kvclef"}, strings.Fields(tt.line)...))
		if err != nil {
			t.Errorf("%q: %v", tt.line, err)
		} else if text := strings.Join(got, " "); text != strings.TrimSpace("kvclef "+tt.want) {
			t.Errorf("%q becomes %q, want %q", tt.line, text, "kvclef "+tt.want)
		}
	}
}

func FuzzArrange(f *testing.F) {
	f.Add("--chainid 1 serve")
	f.Add("keys import treasury --yes key.hex -- x")
	f.Add("--")
	f.Add("- -- --= -=x ---")
	f.Add("help keys help")
	f.Fuzz(func(t *testing.T, line string) {
		p := newProgram()
		args, err := p.arrange(p.app(), append([]string{"kvclef"}, strings.Fields(line)...))
		if (err == nil) != (len(args) > 0) {
			t.Errorf("%q becomes %q with error %v", line, args, err)
		}
	})
}

// TestFlagsAgree makes sure that a flag means the same to arrange, which looks
// for it before the command is known, wherever it occurs.
func TestFlagsAgree(t *testing.T) {
	t.Parallel()
	takesValue := make(map[string]bool)
	for _, flag := range allFlags(newProgram().app().Commands) {
		for _, name := range flag.Names() {
			if before, seen := takesValue[name]; seen && before != valued(flag) {
				t.Errorf("--%s takes a value in one command and none in another", name)
			}
			takesValue[name] = valued(flag)
			if clef, both := clefFlagNamed(name); both && clef.valued != valued(flag) {
				t.Errorf("--%s takes a value in one command and none in Clef", name)
			}
		}
	}
}

// TestFlagsAreDocumented compares the flags of serve and dev with the page.
func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range newProgram().app().Commands {
		if !slices.Contains([]string{"serve", "dev", "keys", "check"}, command.Name) {
			continue
		}
		for _, flag := range command.Flags {
			name := flag.Names()[0]
			documented, ok := flag.(cli.DocGenerationFlag)
			if !ok || len(documented.GetEnvVars()) == 0 {
				continue
			}
			row := "| `--" + name + "` | `" + documented.GetEnvVars()[0] + "` |"
			if !strings.Contains(string(page), row) {
				t.Errorf("docs/configuration.md lacks the row %s", row)
			}
		}
	}
	for _, flag := range clefFlags {
		if !strings.Contains(string(page), "`--"+flag.name+"`") {
			t.Errorf("docs/configuration.md does not mention Clef's flag --%s", flag.name)
		}
	}
}
