//go:build !linux

package gateway

import "net"

func setNotSentLowat(*net.TCPConn, int) error { return nil }
