//go:build tools

// Package tools names the programs built here, so that "go mod tidy" keeps what they need.
package tools

import (
	_ "github.com/coredns/coredns"
)
