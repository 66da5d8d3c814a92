package nettest_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/nettest"
)

var roles = map[string]nettest.Role{"echo": echo, "call": call}

func TestMain(m *testing.M) {
	if code, inside := nettest.Inside(m, roles); inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// echo answers UDP on its address and on the multicast group, until stdin ends.
func echo([]string) error {
	ifi, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	c, err := net.ListenMulticastUDP("udp4", ifi, &net.UDPAddr{IP: net.IPv4(239, 8, 7, 1), Port: 7000})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println("listening")
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := c.ReadFromUDP(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDP(append([]byte("echo "), buf[:n]...), from)
		}
	}()
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
	}
	return nil
}

// call asks the address in args and prints the answer.
func call(args []string) error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(nettest.AddrA)})
	if err != nil {
		return err
	}
	defer c.Close()
	to, err := net.ResolveUDPAddr("udp4", args[0])
	if err != nil {
		return err
	}
	buf := make([]byte, 100)
	for range 20 { // datagrams may be lost
		if _, err := c.WriteToUDP([]byte("hello"), to); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return err
		}
		n, from, err := c.ReadFromUDP(buf)
		if err == nil {
			fmt.Printf("%s from %s\n", buf[:n], from.IP)
			return nil
		}
	}
	return errors.New("no answer")
}

// TestLinkCarriesMulticast: unicast and multicast cross the link in between.
func TestLinkCarriesMulticast(t *testing.T) {
	pair := nettest.CreatePair(t)
	server := nettest.Exec(t, pair.B, "echo")
	server.WaitLine(time.Minute, 0, "start", func(l string) bool { return l == "listening" })
	for _, to := range []string{nettest.AddrB + ":7000", "239.8.7.1:7000"} {
		client := nettest.Exec(t, pair.A, "call", to)
		client.WaitLine(time.Minute, 0, "answer", func(l string) bool { return l == "echo hello from "+nettest.AddrB })
	}
}
