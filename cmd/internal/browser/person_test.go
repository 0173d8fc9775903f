package browser_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// newBrowser starts a Chromium without a window.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	name := os.Getenv("CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no browser: install Debian's package chromium, or name one by CHROMIUM: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(profile(t)))
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), options...) //nolint:usetesting // it ends in the cleanup
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// profile returns an empty folder for a browser. Processes of the browser may write to it
// a little longer than it lives, which t.TempDir takes for a failure.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kvclef-browser") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); os.RemoveAll(dir) != nil; <-time.After(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s can't be removed: the browser still writes to it", dir)
				return
			}
		}
	})
	return dir
}

// person is somebody with a browser of its own, and a passkey in it.
type person struct {
	*signer
	name string
	ctx  context.Context //nolint:containedctx // it is the browser

	mu    sync.Mutex
	wrong []string // what a page complained of
}

// newPerson opens a browser for somebody who has no passkey yet.
func newPerson(t *testing.T, s *signer, name string, width, height int64) *person {
	t.Helper()
	ctx := newBrowser(t)
	p := &person{signer: s, name: name, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.complain("exception: " + e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				p.complain(fmt.Sprintf("console: %s", e.Args[0].Value))
			}
		case *page.EventJavascriptDialogOpening:
			p.complain("dialog: " + e.Message)
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(false)) }() // so that the page goes on
		}
	})
	p.do(t, webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}), chromedp.EmulateViewport(width, height))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.wrong) > 0 {
			t.Errorf("%s's browser: %s", name, strings.Join(p.wrong, "\n"))
		}
	})
	return p
}

func (p *person) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, text)
}

// do carries out what a person does, within the time there is.
func (p *person) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := runFresh(ctx, actions...); err != nil {
		var text string
		late, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		_ = chromedp.Run(late, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text)) // for the report alone
		t.Fatalf("%s: %v; the page is %s", p.name, err, text)
	}
}

// runFresh carries out actions one after the other. What one works on is looked up, and may be gone
// before anything was done to it, since the page that is shown became another one: then it is
// looked up again.
func runFresh(ctx context.Context, actions ...chromedp.Action) error {
	for _, action := range actions {
		err := chromedp.Run(ctx, action)
		for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Could not find node with given id") {
			err = chromedp.Run(ctx, action)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read does what changes nothing, again where the page loaded itself again meanwhile.
func (p *person) read(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	p.do(t, chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Run(ctx, actions...)
			if err == nil || ctx.Err() != nil || !disturbed(err) {
				return err
			}
		}
	}))
}

// sees reports whether something shows on the page within the time there is.
func (p *person) sees(selector string) bool {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.WaitVisible(selector)) == nil
}

// by selects what a test looks for.
func by(id string) string { return `[data-testid="` + id + `"]` }

// enrol opens the link that the operator makes, adds a passkey and signs in with it.
func (p *person) enrol(t *testing.T) {
	t.Helper()
	link, err := p.run(t, "approvals", "enrol", p.name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(link, p.url+"/enrol#") {
		t.Fatalf("the link is %q", link)
	}
	p.do(t,
		chromedp.Navigate(link), chromedp.WaitVisible(by("enrol")), chromedp.SendKeys(by("label"), p.name+"'s "+evil[:10]),
		chromedp.Click(by("enrol")), chromedp.WaitVisible(by("signin-passkey")),
	)
	p.signIn(t)
}

// signIn signs in on the page that is open.
func (p *person) signIn(t *testing.T) {
	t.Helper()
	var name string
	p.do(t, chromedp.Click(by("signin-passkey")), chromedp.WaitVisible(by("person")), chromedp.Text(by("person"), &name))
	if strings.TrimSpace(name) != p.name {
		t.Errorf("%s is signed in as %q", p.name, name)
	}
}

// open opens a page. One that loads itself again at the same moment is in the way: it
// makes opening fail, or is there instead.
func (p *person) open(t *testing.T, path string) {
	t.Helper()
	p.do(t, chromedp.ActionFunc(func(ctx context.Context) error {
		for try := 1; ; {
			there, err := p.opened(ctx, path)
			switch {
			case err != nil && (ctx.Err() != nil || !disturbed(err)):
				return err
			case err != nil:
				continue
			case there || try == 3:
				return nil
			}
			try++
		}
	}), chromedp.WaitVisible("main"))
}

// opened opens a page, and tells whether it is another one than before, or the one that
// is wanted: it may lead elsewhere, such as to sign in.
func (p *person) opened(ctx context.Context, path string) (there bool, err error) {
	var before, now string
	err = chromedp.Run(ctx, chromedp.Location(&before), chromedp.Navigate(p.url+path), chromedp.Location(&now))
	return now != before || now == p.url+path, err
}

// disturbed tells whether an error is of a page that loaded itself again meanwhile.
func disturbed(err error) bool {
	return strings.Contains(err.Error(), "ERR_ABORTED") || strings.Contains(err.Error(), "Inspected target navigated or closed")
}

// text returns all that the page shows.
func (p *person) text(t *testing.T) (text string) {
	t.Helper()
	p.read(t, chromedp.Evaluate("document.body.innerText", &text))
	return text
}

// picture takes a picture of the page, if somebody wants them.
func (p *person) picture(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	var png []byte
	p.read(t, chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
