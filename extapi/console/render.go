package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules/approval/sheet"
)

//go:embed assets templates
var files embed.FS

// page is what the templates are given.
type page struct {
	Title  string
	Nav    string // the part of the console that it belongs to
	Person string // who has signed in; "" is nobody
	Way    string
	Token  string // for forms
	Live   bool   // it is told of changes
	Keys   bool   // people can have passkeys
	Alert  string // what went wrong, for the person
	Body   any
}

// pageOf begins a page for somebody who has signed in.
func (s *Server) pageOf(of *session, title, nav string, body any) *page {
	return &page{Title: title, Nav: nav, Person: of.person, Way: of.way, Token: of.token, Keys: s.cfg.Passkeys != nil, Body: body}
}

// parsePages reads the templates: each page is the layout with a body of its own.
func parsePages() (map[string]*template.Template, error) {
	pages := make(map[string]*template.Template)
	for _, name := range []string{"open", "history", "ticket", "limits", "accounts", "record", "passkeys", "signin", "enrol", "error", "onward"} {
		parsed, err := template.New(name).Funcs(functions()).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("reading the page %s: %w", name, err)
		}
		pages[name] = parsed
	}
	return pages, nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"inert":   sheet.Inert,
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"depth":   func(depth int) int { return min(depth, 8) },
		"lines":   func(text string) []string { return strings.Split(text, "\n") },
		"percent": percent,
		"counted": counted,
	}
}

// percent writes a part of a whole, for the width of a bar.
func percent(part float64) string {
	return strconv.FormatFloat(100*max(0, min(1, part)), 'f', 2, 64) + "%"
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// render sends a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name string, p *page) {
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "layout", p); err != nil {
		s.log.ErrorContext(r.Context(), "Page not made", "page", name, "error", err)
		http.Error(w, "the page could not be made: look at the signer's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error is the browser's hanging up
}

// fail sends a page that says what went wrong, or the like for a script.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, of *session, status int, text string) {
	if wantsJSON(r) {
		s.answer(w, r, status, map[string]string{"error": text})
		return
	}
	p := &page{Title: http.StatusText(status), Alert: text}
	if of != nil {
		p = s.pageOf(of, http.StatusText(status), "", nil)
		p.Alert = text
	}
	s.render(w, r, status, "error", p)
}

// failAny fails for somebody who may have signed in or not.
func (s *Server) failAny(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.fail(w, r, nil, status, text)
}

// wantsJSON reports whether a script asks.
func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

// answer sends JSON to a script.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		s.log.ErrorContext(r.Context(), "Answer not made", "error", err)
		http.Error(w, "the answer could not be made: look at the signer's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error is the browser's hanging up
}

// asset sends a file that pages load.
func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := files.ReadFile("assets/" + name)
		if err != nil {
			http.Error(w, "there is no such file", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text) // an error is the browser's hanging up
	}
}
