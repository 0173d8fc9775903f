package browser_test

import (
	"encoding/hex"

	"github.com/chromedp/cdproto/runtime"
)

// awaits waits for a promise.
func awaits(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// hexOf is a text in hexadecimal.
func hexOf(text string) string { return hex.EncodeToString([]byte(text)) }
