package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

const install = "install it with: apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), " +
	"brew install postgresql (macOS), or set " + EnvURL + " to a server whose user may create databases"

// findOrInstall is the folder with initdb and postgres.
func findOrInstall(log io.Writer) (string, error) {
	if bin := find(); bin != "" {
		return bin, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", errors.New("no PostgreSQL server was found on this machine; " + install)
	}
	_, _ = fmt.Fprintln(log, "pgtest: no PostgreSQL found, installing Debian's package")
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "postgresql"}} {
		cmd := exec.Command(apt, append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil && args[0] == "install" {
			return "", fmt.Errorf("no PostgreSQL server was found, and apt-get %s failed: %w: %s; %s",
				strings.Join(args, " "), err, tail(out), install)
		}
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	return "", errors.New("PostgreSQL was installed but its server was not found; " + install)
}

func tail(out []byte) string {
	if len(out) > 600 {
		out = out[len(out)-600:]
	}
	return strings.TrimSpace(string(out))
}

// find looks in PATH, where Debian and others put versions side by side (newest
// first), and where pg_config points.
func find() string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		dirs = append(dirs, filepath.Dir(p))
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	sort.Slice(versions, func(i, j int) bool { return versionOf(versions[i]) > versionOf(versions[j]) })
	dirs = append(dirs, versions...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	dirs = append(dirs, "/usr/pgsql/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin")
	for _, d := range dirs {
		if executable(filepath.Join(d, "postgres")) && executable(filepath.Join(d, "initdb")) {
			return d
		}
	}
	return ""
}

func versionOf(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// credential is the user to run as: PostgreSQL refuses root. Nil: as we are.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and neither user postgres nor nobody exists; run the tests as another user")
}

// Programs is the folder of PostgreSQL's programs (initdb, postgres) and the user to run
// them as, nil for our own: for a test that starts servers itself, because where they run
// is what it is about. log takes a line when something is installed.
func Programs(log io.Writer) (bin string, as *syscall.Credential, err error) {
	if bin, err = findOrInstall(log); err != nil {
		return "", nil, err
	}
	as, err = credential()
	return bin, as, err
}
