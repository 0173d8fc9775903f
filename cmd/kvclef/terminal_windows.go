package main

import "golang.org/x/sys/windows"

func terminalAt(fd uintptr) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(fd), &mode) == nil
}
