package imagetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const root = "../../../.."

// stages reads a Dockerfile, about which BuildKit's linter must have nothing to say.
func stages(t *testing.T, path string) []instructions.Stage {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	read, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range read.Warnings {
		t.Errorf("%s", warning.Short)
	}
	warn := func(rule, _, _, message string, _ []parser.Range) { t.Errorf("%s: %s", rule, message) }
	found, _, err := instructions.Parse(read.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestImage is built of what is there, in a pinned image, and is a program without
// a shell that is not root.
func TestImage(t *testing.T) {
	found := stages(t, "../Dockerfile")
	if len(found) != 2 {
		t.Fatalf("%d stages", len(found))
	}
	for _, stage := range found {
		if _, tag, ok := strings.Cut(stage.BaseName, ":"); !ok || tag == "latest" {
			t.Errorf("%s is not pinned", stage.BaseName)
		}
	}
	last := found[1]
	if !strings.Contains(last.BaseName, "/distroless/static-") || !strings.HasSuffix(last.BaseName, ":nonroot") {
		t.Errorf("the image is made of %s", last.BaseName)
	}
	user, entry := "", false
	for _, command := range last.Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			t.Errorf("%s: there is no shell", c)
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entry = !c.PrependShell && len(c.CmdLine) == 1 && c.CmdLine[0] == "/usr/bin/kvclef"
		case *instructions.CopyCommand:
			if c.From != found[0].Name {
				t.Errorf("%s: what is copied was built before", c)
			}
		}
	}
	if user != "65532:65532" {
		t.Errorf("it runs as %q", user)
	}
	if !entry {
		t.Error("it does not run kvclef, without a shell")
	}
	sources(t, found[0])
}

// sources are in the repository.
func sources(t *testing.T, stage instructions.Stage) {
	t.Helper()
	for _, command := range stage.Commands {
		copied, ok := command.(*instructions.CopyCommand)
		if !ok {
			continue
		}
		for _, path := range copied.SourcePaths {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFaults are found in files that have them.
func TestFaults(t *testing.T) {
	for _, text := range []string{"FORM scratch", "FROM scratch\nCOPY one", "FROM a AS b\nRUNN x", ""} {
		read, err := parser.Parse(strings.NewReader(text))
		if err == nil {
			_, _, err = instructions.Parse(read.AST, linter.New(&linter.Config{}))
		}
		if err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
