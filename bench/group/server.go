package group

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const token = "bench-admin-token-0123456789abcdef"

// patience bounds waiting for the server to do something.
const patience = time.Minute

// server is the measured process.
type server struct {
	cmd      *exec.Cmd
	out      bytes.Buffer
	base     string // of the API
	sendspin string // ws:// address of the devices
}

// serve starts the binary on a music folder, with its data in dir, and waits until it is
// ready.
func serve(ctx context.Context, binary, music, dir string) (*server, error) {
	api, err := freeAddr()
	if err != nil {
		return nil, err
	}
	devices, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + api, sendspin: "ws://" + devices + "/sendspin"}
	s.cmd = exec.Command(binary, "serve", "--data-dir", dir, "--music", music, "--http", api, "--sendspin", devices,
		"--mdns=false", "--log-level", "warn", "--controller-policy", "approved")
	s.cmd.Env = append(os.Environ(), "TUTTI_ADMIN_TOKEN="+token)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	err = eventually(ctx, func() error {
		resp, err := http.Get(s.base + "/readyz")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("group: the server is not ready: %w", err), s.stop())
	}
	return s, nil
}

// stop ends the process as an operator does.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("group: the server ended with %w:\n%s", err, s.out.String())
	}
	return nil
}

// use is what a process has used.
type use struct {
	cpu      time.Duration
	resident int64
}

// used reads the process's own metrics.
func (s *server) used() (use, error) {
	resp, err := http.Get(s.base + "/metrics")
	if err != nil {
		return use{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return use{}, err
	}
	var u use
	var seconds, resident float64
	for line := range strings.SplitSeq(string(body), "\n") {
		if v, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			_, err = fmt.Sscan(v, &seconds)
		}
		if v, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			_, err = fmt.Sscan(v, &resident)
		}
	}
	if err != nil || seconds == 0 || resident == 0 {
		return use{}, fmt.Errorf("group: /metrics does not tell the processor time and memory: %w", err)
	}
	u.cpu, u.resident = time.Duration(seconds*float64(time.Second)), int64(resident)
	return u, nil
}

// do sends a request to the operator API and decodes its answer into out, when not nil.
func (s *server) do(method, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, s.base+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("group: %s %s: %s: %s", method, path, resp.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// eventually tries until f succeeds.
func eventually(ctx context.Context, f func() error) error {
	for end := time.Now().Add(patience); ; {
		err := f()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// cover writes a picture of 1,000 by 1,000 pixels: colored bands.
func cover(path string) error {
	img := image.NewRGBA(image.Rect(0, 0, 1000, 1000))
	for y := range 1000 {
		for x := range 1000 {
			img.Set(x, y, color.RGBA{R: uint8(x / 4), G: uint8(y / 4), B: uint8((x + y) / 100 * 12), A: 255})
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(jpeg.Encode(f, img, nil), f.Close())
}
