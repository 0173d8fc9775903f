package main

import (
	"fmt"
	"io"
)

// printer writes the report as text. After an error it writes nothing more.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// head says what is compared on what, before it takes its time.
func (p *printer) head(r *report) {
	modified := ""
	if r.Programs.Modified {
		modified = ", modified"
	}
	p.f("%s, %s\nkvclef %s (%s)%s\n%d cores of %s, %s, Linux %s\n%d rounds, windows of %s, began %s\n\n",
		r.Programs.Clef, r.Programs.Go, r.Programs.Kvclef, r.Programs.Revision, modified,
		r.Machine.Cores, r.Machine.Processor, r.Machine.Memory, r.Machine.Kernel, r.Rounds, r.Window, r.Started.Format("2006-01-02 15:04:05 MST"))
	p.columns()
}

func (p *printer) columns() {
	p.f("%-17s %-4s %3s %7s %5s %9s %9s %9s %8s %8s %7s %7s %7s %5s\n", "", "", "c", "offered", "round", "req/s", "p50 ms", "p99 ms", "CPU ms", "RSS MiB", "own ms", "own p50", "own p99", "load")
}

func (p *printer) window(w window) {
	round, offered, own, half, most := "", "", "", "", ""
	if w.Round > 0 {
		round = fmt.Sprint(w.Round)
	}
	if w.Offered > 0 {
		offered = fmt.Sprint(w.Offered)
	}
	if w.Own > 0 {
		own, half, most = fmt.Sprintf("%.2f", w.Own), fmt.Sprintf("%.2f", w.OwnP50), fmt.Sprintf("%.2f", w.OwnP99)
	}
	p.f("%-17s %-4s %3d %7s %5s %9.1f %9.2f %9.2f %8.3f %8.1f %7s %7s %7s %5.2f\n",
		w.Contender, w.Transport, w.Callers, offered, round, w.PerSecond, w.P50, w.P99, w.CPU, w.Peak, own, half, most, w.Machine)
}

// summary is what the windows come to.
func (p *printer) summary(r *report) {
	p.f("\nMedians. CPU is the signer's own, of a request; RSS is the most in a window; own is a\nrequest's time in kvclef without the vault: mean, half and 99 in 100, by kvclef's own metrics; load is the machine's.\n\n")
	p.columns()
	for _, w := range r.Cells {
		p.window(w)
	}
	p.f("\nMedians of the rounds' ratios.\n\n%-17s %-17s %-4s %3s %9s %9s %9s %9s %9s %9s\n", "", "by", "", "c", "req/s", "target", "p50", "p99", "CPU 1/", "RSS")
	for _, x := range r.Ratios {
		verdict := ""
		if x.PerSecond < x.Target {
			verdict = "  missed"
		}
		p.f("%-17s %-17s %-4s %3d %9.1f %9.0f %9.4f %9.4f %9.1f %9.2f%s\n",
			x.Kvclef, x.Clef, x.Transport, x.Callers, x.PerSecond, x.Target, x.P50, x.P99, 1/x.CPU, x.Peak, verdict)
	}
	p.f("\nTransactions of 1 wei that were signed, and what was counted of them.\n\n")
	for _, t := range r.Totals {
		p.f("%-17s %9d %9s\n", t.Contender, t.Signed, t.Total)
	}
}
