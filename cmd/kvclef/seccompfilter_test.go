//go:build linux && amd64

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// seccompProfile is what an OCI runtime reads.
type seccompProfile struct {
	DefaultAction   string `json:"defaultAction"`
	DefaultErrnoRet uint16 `json:"defaultErrnoRet"`
	Architectures   []string
	Syscalls        []struct {
		Names  []string
		Action string
		Args   []struct {
			Index           uint32
			Value, ValueTwo uint64
			Op              string
		}
	}
}

func readSeccompProfile(path string) (seccompProfile, error) {
	var p seccompProfile
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && p.DefaultAction != "SCMP_ACT_ERRNO" {
		err = fmt.Errorf("%s: the default is %s", path, p.DefaultAction)
	}
	return p, err
}

// Offsets in seccomp_data; arguments are halves of 64 bits, little-endian.
const (
	offsetNumber, offsetArch, offsetArgs = 0, 4, 16
	archX8664                            = 0xc000003e
)

// program is the filter that the kernel runs for each call.
func (p seccompProfile) program() ([]bpf.RawInstruction, error) {
	refuse := bpf.RetConstant{Val: 0x00050000 | uint32(p.DefaultErrnoRet)}
	allow := bpf.RetConstant{Val: 0x7fff0000}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: archX8664, SkipTrue: 1},
		refuse,
	}
	for _, rule := range p.Syscalls {
		if rule.Action != "SCMP_ACT_ALLOW" {
			return nil, fmt.Errorf("%v: the action is %s", rule.Names, rule.Action)
		}
		for _, name := range rule.Names {
			number, known := systemCalls()[name]
			if !known {
				return nil, fmt.Errorf("system call %q is not in the test's list", name)
			}
			then := []bpf.Instruction{allow}
			for _, arg := range rule.Args {
				low, high := uint32(arg.Value), uint32(arg.Value>>32)
				offset := offsetArgs + 8*arg.Index
				switch {
				case high != 0 || arg.ValueTwo != 0:
					return nil, fmt.Errorf("%s: a comparison that the test can't make", name)
				case arg.Op == "SCMP_CMP_MASKED_EQ": // with a mask of 32 bits
					then = append([]bpf.Instruction{
						bpf.LoadAbsolute{Off: offset, Size: 4},
						bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: low},
						bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: uint8(len(then))},
					}, then...)
				case arg.Op == "SCMP_CMP_EQ": // of what the kernel takes as 32 bits
					then = append([]bpf.Instruction{
						bpf.LoadAbsolute{Off: offset, Size: 4},
						bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: low, SkipTrue: uint8(len(then))},
					}, then...)
				default:
					return nil, fmt.Errorf("%s: operation %s", name, arg.Op)
				}
			}
			program = append(program,
				bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(then))})
			program = append(program, then...)
		}
	}
	return bpf.Assemble(append(program, refuse))
}

// apply has the kernel filter what the calling thread asks of it from now on, and
// what it executes.
func (p seccompProfile) apply() error {
	raw, err := p.program()
	if err != nil {
		return err
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, instruction := range raw {
		filters[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}
