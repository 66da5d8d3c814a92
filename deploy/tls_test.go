package deploy

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"github.com/tutti-audio/tutti/proto/subject"
)

const caEnv = "TUTTI_NATS_TLS_CA" // of --nats-tls-ca

// certs runs certs.sh.
func certs(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing: install Debian's package openssl")
		}
		t.Skip("openssl is missing: TLS to NATS is NOT tested")
	}
	if out, err := exec.Command("nats/certs.sh", dir, "nats.example").CombinedOutput(); err != nil {
		t.Fatalf("certs.sh: %v: %s", err, out)
	}
}

// checkTLS expects of a server that it speaks TLS with a certificate of dir, by all the names
// by which services call it, and nothing else.
func checkTLS(t *testing.T, s *server.Server, dir, key string, names ...string) {
	t.Helper()
	opt, err := nats.NkeyOptionFromSeed(key)
	if err != nil {
		t.Fatal(err)
	}
	ca := nats.RootCAs(filepath.Join(dir, "ca.crt"))
	nc, err := nats.Connect(s.ClientURL(), opt, ca, nats.Timeout(time.Minute), nats.CustomInboxPrefix(subject.InboxPrefix(subject.Pairing)))
	if err != nil {
		t.Fatalf("a service with the authority's certificate and its key: %v", err)
	}
	state, err := nc.TLSConnectionState()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := state.PeerCertificates[0].VerifyHostname(name); err != nil {
			t.Errorf("services call NATS %s: %v", name, err)
		}
	}
	nc.Close()
	if nc, err := nats.Connect(strings.Replace(s.ClientURL(), "tls://", "nats://", 1), opt); err == nil {
		nc.Close()
		t.Error("who does not know the authority is connected")
	}
}

// hosts are those of a list of NATS addresses.
func hosts(urls string) (out []string) {
	for url := range strings.SplitSeq(urls, ",") {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(url, "nats://"), ":4222"))
	}
	return out
}

// With the component, NATS of each overlay speaks TLS and nothing else, and each service has the
// authority's certificate where --nats-tls-ca says, and not the server's key.
func TestKubernetesSpeaksTLSToNATS(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			objs := renderWith(t, overlay, "tls")
			conf := natsMap(t, objs)
			var all *corev1.ConfigMap
			for _, o := range objs {
				if c, ok := o.(*corev1.ConfigMap); ok && c.Name == "tutti" {
					all = c
				}
			}
			pods := podSpecs(objs)
			for _, name := range services {
				spec := pods[name].Spec
				if !slices.Contains(secretKeys(spec), secretKey{"nats-tls", "ca.crt"}) || slices.Contains(secretKeys(spec), secretKey{"nats-tls", "tls.key"}) {
					t.Errorf("%s: it reads %v, want the authority's certificate alone", name, secretKeys(spec))
				}
				at := slices.IndexFunc(spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "nats-ca" })
				if at < 0 || spec.Containers[0].VolumeMounts[at].MountPath+"/ca.crt" != all.Data[caEnv] {
					t.Errorf("%s: %s is %q", name, caEnv, all.Data[caEnv])
				}
			}
			if args := pods["nats"].Spec.Containers[0].Args; !slices.Equal(args, []string{"--config", "/etc/nats/nats-tls.conf"}) {
				t.Fatalf("NATS runs with %v", args)
			}

			tlsDir, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys")
			certs(t, tlsDir)
			dir := mountedNATS(t, overlay, keys)
			t.Setenv("POD_NAME", "nats-0")
			t.Setenv("VENUE", "venue-1")
			t.Setenv("CHAIN_URL", `"nats-leaf://venue:secret@`+nobody(t)+`"`)
			peers(t, overlay, "route_secret")
			writeNATS(t, dir, conf.Data["nats.conf"])
			included(t, dir, conf, "/etc/nats-tls", tlsDir)
			s := startNATS(t, filepath.Join(dir, "nats-tls.conf"))
			checkTLS(t, s, tlsDir, filepath.Join(keys, "pairing.nk"), hosts(all.Data["TUTTI_NATS"])...)
			if !answers(t, s, pods["nats"].Spec.Containers[0].LivenessProbe) {
				t.Error("NATS with TLS does not answer its probe")
			}
		})
	}
}

// With the component the nodes speak TLS among themselves, by the names of their routes, and a
// node with the password that has no certificate of the authority is no neighbour.
func TestNodesOfNATSSpeakTLS(t *testing.T) {
	for _, overlay := range []string{"venue", "chain"} {
		t.Run(overlay, func(t *testing.T) {
			conf := natsMap(t, renderWith(t, overlay, "tls"))
			tlsDir := t.TempDir()
			certs(t, tlsDir)
			t.Setenv("VENUE", "venue-1")
			t.Setenv("CHAIN_URL", `"nats-leaf://venue:secret@`+nobody(t)+`"`)
			addrs := []string{nobody(t), nobody(t)}
			node := func(i int, file string, m *corev1.ConfigMap) *server.Server {
				peers(t, overlay, "route_right", addrs...)
				t.Setenv("POD_NAME", fmt.Sprintf("nats-%d", i))
				dir := mountedNATS(t, overlay, filepath.Join(t.TempDir(), "keys"))
				text := m.Data["nats.conf"]
				if i < len(addrs) {
					text = strings.Replace(text, "port: 6222", `listen: "`+addrs[i]+`"`, 1)
				}
				writeNATS(t, dir, text)
				included(t, dir, m, "/etc/nats-tls", tlsDir)
				return startNATS(t, filepath.Join(dir, file))
			}
			first, second := node(0, "nats-tls.conf", conf), node(1, "nats-tls.conf", conf)
			becomes(t, "two nodes find each other", func() bool { return first.NumRoutes() > 0 && second.NumRoutes() > 0 })
			alone := node(2, "nats.conf", natsMap(t, render(t, overlay)))
			// It dials both again and again; a few tries are enough to see that none gets through.
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
				if alone.NumRoutes() > 0 {
					t.Fatal("a node without TLS is a neighbour of those that have it")
				}
			}

			text, err := os.ReadFile(filepath.Join(tlsDir, "tls.crt"))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := cert.VerifyHostname(fmt.Sprintf("nats-%d.nats", i)); err != nil {
					t.Errorf("the nodes call each other so: %v", err)
				}
			}
		})
	}
}

// The same for compose with deploy/compose/tls.yaml.
func TestComposeSpeaksTLSToNATS(t *testing.T) {
	p := project(t, "compose/tls.yaml")
	called := map[string]bool{"nats.example": true}
	for _, name := range services {
		s, err := p.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		var files []string
		for _, sec := range s.Secrets {
			files = append(files, filepath.Base(p.Secrets[sec.Source].File))
		}
		if v := s.Environment[caEnv]; v == nil || *v != "/run/secrets/nats-ca.crt" || !slices.Contains(files, "ca.crt") || slices.Contains(files, "tls.key") {
			t.Errorf("%s: %s is %v, it has %v", name, caEnv, v, files)
		}
		if !slices.Contains(files, name+keySuffix) || s.Environment[keyEnv] == nil {
			t.Errorf("%s has lost its key: %v", name, files)
		}
		for _, h := range hosts(*s.Environment["TUTTI_NATS"]) {
			called[h] = true
		}
	}

	root := checkout(t)
	runScript(t, filepath.Join(root, "deploy/compose/secrets.sh"))
	tlsDir := filepath.Join(root, "deploy/compose/secrets/tls")
	certs(t, tlsDir)
	dir, conf := composeConf(t, root)
	writeNATS(t, dir, conf)
	text, err := os.ReadFile("compose/nats-tls.conf")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.GetService("nats")
	if err != nil {
		t.Fatal(err)
	}
	mounted := map[string]string{}
	for _, sec := range s.Secrets {
		rel, err := filepath.Rel(mustAbs(t, ".."), p.Secrets[sec.Source].File)
		if err != nil {
			t.Fatal(err)
		}
		mounted[sec.Target] = filepath.Join(root, rel)
	}
	if !slices.Equal(s.Command, []string{"--config", "/etc/nats/nats-tls.conf"}) ||
		!slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Target == "/etc/nats/nats-tls.conf" && v.Source == mustAbs(t, "compose/nats-tls.conf")
		}) {
		t.Errorf("NATS runs %v with %+v", s.Command, s.Volumes)
	}
	for target, file := range mounted {
		text = []byte(strings.ReplaceAll(string(text), target, file))
	}
	if err := os.WriteFile(filepath.Join(dir, "nats-tls.conf"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var names []string
	for h := range called {
		names = append(names, h)
	}
	checkTLS(t, startNATS(t, filepath.Join(dir, "nats-tls.conf")), tlsDir, filepath.Join(root, "deploy/compose/secrets/nats/pairing.nk"), names...)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// A new certificate comes from the same authority, in the same files: nothing has to be told to
// the services.
func TestCertsAreRenewedByTheSameAuthority(t *testing.T) {
	dir := t.TempDir()
	certs(t, dir)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ca, cert := read("ca.crt"), read("tls.crt")
	before, err := os.Stat(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	certs(t, dir)
	after, err := os.Stat(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if read("ca.crt") != ca || read("tls.crt") == cert || !os.SameFile(before, after) {
		t.Error("the second run made another authority, no new certificate, or another file")
	}
	if st, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key is open: %v, %v", st, err)
	}
}
