// Package browser tests the console with a real browser: Debian's Chromium, driven
// over DevTools, with passkeys in virtual authenticators; the finished kvclef; and
// requests over its socket. It is a module of its own, so that the product's go.mod
// stays small, and holds tests alone.
//
// CHROMIUM names the browser, chromium if it is not set. SCREENSHOTS names a folder
// for pictures of the pages.
package browser
