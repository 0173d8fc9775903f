package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

// patienceInTests bounds what a story waits for.
const patienceInTests = 2 * time.Minute

// TestMain also has the tests share the library's flag for help, which it changes each
// time a command line is read: several are, at once, in the process of the tests.
func TestMain(m *testing.M) {
	if help, ok := cli.HelpFlag.(*cli.BoolFlag); ok {
		cli.HelpFlag = sharedFlag{help}
	}
	if filepath.Base(os.Args[0]) != "kvclef" { // commands in the process of the tests take nothing from it for good
		if err := os.Setenv("KVCLEF_ALLOW_CORE_DUMPS", "true"); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){"kvclef": main})
}

// sharedFlag is a flag that stays as it is.
type sharedFlag struct{ *cli.BoolFlag }

// Apply adds a copy.
func (f sharedFlag) Apply(set *flag.FlagSet) error {
	own := *f.BoolFlag
	return own.Apply(set)
}

// TestScripts plays the stories under testdata/script with the real main in
// processes of its own. See the comment of each command below. In short, as under the race
// detector, it plays those alone in which a signer runs: the rest does one thing after the other.
func TestScripts(t *testing.T) {
	stories := storyParams(clefHome)
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	signerRuns := regexp.MustCompile(`(?m)^exec kvclef (serve|dev|proxy)\b.*&$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !testing.Short() || signerRuns.Match(text) {
			stories.Files = append(stories.Files, file)
		}
	}
	testscript.Run(t, stories)
}

// storyParams are what stories are played with. Of Clef they see a copy of a
// folder that it made.
func storyParams(clefMade string) testscript.Params {
	return testscript.Params{
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("USERID", strconv.Itoa(os.Getuid()))
			env.Setenv("GROUPID", strconv.Itoa(os.Getgid()))
			env.Values["authorities"] = make(authorities)
			env.Values["issuers"] = make(map[string]*issuertest.Issuer)
			return os.Mkdir(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": cmdAwait,
			"call":  cmdCall,
			"clefhome": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(copyTree(clefMade, ts.MkAbs(args[0])))
			},
			"damage":     cmdDamage,
			"exits":      cmdExits,
			"expand":     cmdExpand,
			"freeport":   cmdFreePort,
			"issue":      cmdIssue,
			"issuer":     cmdIssuer,
			"lines":      cmdLines,
			"loadenv":    cmdLoadEnv,
			"mode":       cmdMode,
			"newer":      cmdNewer,
			"oneline":    cmdOneLine,
			"setline":    cmdSetLine,
			"setvar":     cmdSetVar,
			"signal":     cmdSignal,
			"signtx":     cmdSignTx,
			"stored":     cmdStored,
			"token":      cmdToken,
			"turnedaway": cmdTurnedAway,
		},
	}
}

// cmdAwait waits until a file exists, a regular expression matches what is in it, or
// a socket accepts connections: await FILE [EXPRESSION]. A socket's file is there a
// moment before it does.
func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	var wanted *regexp.Regexp
	if len(args) > 1 {
		wanted = regexp.MustCompile(args[1])
	}
	poll(ts, "waiting for "+strings.Join(args, " "), func(ctx context.Context) error {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || wanted != nil && err == nil && !wanted.Match(text) {
			return errNotYet
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
			return err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return errNotYet
		}
		return conn.Close()
	})
}

var errNotYet = errors.New("not yet")

// cmdCall sends a JSON-RPC request as soon as the endpoint accepts one, and
// prints the result, or with ! the error: [!] call ENDPOINT METHOD [PARAMETER...].
// Parameters are JSON.
func cmdCall(ts *testscript.TestScript, neg bool, args []string) {
	client := dial(ts, args[0])
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	var params []any
	for _, arg := range args[2:] {
		params = append(params, json.RawMessage(arg))
	}
	var result json.RawMessage
	switch err := client.CallContext(ctx, &result, args[1], params...); {
	case err != nil && !neg:
		ts.Fatalf("%s: %v", args[1], err)
	case err == nil && neg:
		ts.Fatalf("%s: no error, but %s", args[1], result)
	case err != nil:
		fmt.Fprintln(ts.Stdout(), err)
	default:
		fmt.Fprintln(ts.Stdout(), string(result))
	}
}

// cmdDamage changes the first byte of a text wherever a file holds it:
// damage FILE TEXT.
func cmdDamage(ts *testscript.TestScript, _ bool, args []string) {
	content := []byte(ts.ReadFile(args[0]))
	found := 0
	for i := range content {
		if bytes.HasPrefix(content[i:], []byte(args[1])) {
			content[i] ^= 1
			found++
		}
	}
	if found == 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

// cmdExits runs a program that must end with an exit code:
// exits CODE PROGRAM [ARGUMENT...].
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdExpand replaces the variables in a file by their values: expand FILE.
func cmdExpand(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// cmdFreePort puts a free TCP port into a variable: freeport NAME. It is below
// the range of which the system hands out ports by itself, so that no other
// test gets it before it is used.
func cmdFreePort(ts *testscript.TestScript, _ bool, args []string) {
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port) //nolint:noctx // it is closed at once
		if err != nil {
			continue
		}
		ts.Check(listener.Close())
		ts.Setenv(args[0], port)
		return
	}
	ts.Fatalf("no free port found")
}

// cmdLines checks that the last program said so many lines on the standard error
// stream, each by itself: lines COUNT.
func cmdLines(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stderr")
	if count := strconv.Itoa(strings.Count(text, "\n")); count != args[0] || strings.Count(text, "\n") != strings.Count("\n"+text, "\nkvclef: ") {
		ts.Fatalf("%s lines, want %s:\n%s", count, args[0], text)
	}
}

// cmdLoadEnv sets the variables that a file of export lines sets: loadenv FILE.
func cmdLoadEnv(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if assignment, found := strings.CutPrefix(strings.TrimSpace(line), "export "); found {
			name, value, _ := strings.Cut(assignment, "=")
			ts.Setenv(name, strings.Trim(value, "'"))
		}
	}
}

// cmdMode checks a file's permissions: mode OCTAL FILE.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// cmdOneLine checks that the last program said exactly one line on the standard
// error stream: oneline.
func cmdOneLine(ts *testscript.TestScript, _ bool, _ []string) {
	text := ts.ReadFile("stderr")
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "kvclef: ") {
		ts.Fatalf("want one line that begins with kvclef:, got %q", text)
	}
}

// cmdSetLine puts the one line on the standard output into a variable: setline NAME.
func cmdSetLine(ts *testscript.TestScript, _ bool, args []string) {
	line, rest, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	if line == "" || rest != "" {
		ts.Fatalf("want one line, got %q", ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], line)
}

// cmdSetVar puts a member of the JSON on the standard output into a variable:
// setvar NAME MEMBER. Of a list, the first element counts.
func cmdSetVar(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile("stdout"))
	var list []map[string]any
	if bytes.HasPrefix(text, []byte("{")) {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	ts.Check(json.Unmarshal(text, &list))
	if len(list) == 0 {
		ts.Fatalf("the list is empty")
	}
	ts.Setenv(args[0], fmt.Sprint(list[0][args[1]]))
}

// cmdSignal sends a signal to the program in the background that was started
// with an argument: signal INT|TERM|KILL ARGUMENT.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
	for _, cmd := range ts.BackgroundCmds() {
		if slices.Contains(cmd.Args, args[1]) {
			ts.Check(cmd.Process.Signal(signals[args[0]]))
			return
		}
	}
	ts.Fatalf("no program in the background has the argument %s", args[1])
}

// dial connects to a signer as soon as that is possible.
func dial(ts *testscript.TestScript, endpoint string) (client *rpc.Client) {
	if !strings.Contains(endpoint, "://") {
		endpoint = ts.MkAbs(endpoint)
	}
	poll(ts, "connecting to "+endpoint, func(ctx context.Context) error {
		var err error
		if strings.HasPrefix(endpoint, "https://") {
			client, err = dialHTTPS(ctx, ts, endpoint)
		} else {
			client, err = rpc.DialOptions(ctx, endpoint, withToken(ts)...)
		}
		if err != nil {
			return err
		}
		var modules map[string]string // HTTP connects with the first request
		err = client.CallContext(ctx, &modules, "rpc_modules")
		if told := rpc.Error(nil); errors.As(err, &told) {
			return nil // an answer as well: the node's part is not there
		}
		return err
	})
	return client
}

// poll tries something until it succeeds or the patience ends.
func poll(ts *testscript.TestScript, what string, try func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patienceInTests)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			ts.Fatalf("%s: %v", what, err)
		}
	}
}
