// Package config fills one struct per program from flags, environment, a YAML
// file and defaults, in this order of precedence: flag, environment, file,
// default. All of them use the same names.
//
// A field takes part when it has a `config:"name"` tag:
//
//	type Config struct {
//		DataDir string   `config:"data-dir" usage:"directory for state"`
//		NATS    string   `config:"nats" secret:"true" usage:"NATS server URL"`
//		Devices []string `config:"device" usage:"repeatable"`
//	}
//
// The flag is --data-dir, the variable TUTTI_DATA_DIR, the key data-dir (or
// data_dir). TUTTI_DATA_DIR_FILE names a file that holds the value, which is how
// compose and Kubernetes hand secrets over; a secret also has the flag --nats-file.
// A variable that is empty counts as unset: compose files write VAR: ${VAR:-}. A
// list is comma-separated in the environment. The file is named by the field with the tag config:"config".
//
// Fields may be string, bool, int, time.Duration and []string. The fields of an embedded
// struct count as the struct's own: programs that share settings share such a struct.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// EnvPrefix starts every variable's name.
const EnvPrefix = "TUTTI_"

// maxFile bounds a secret or configuration file: more is somebody's mistake.
const maxFile = 1 << 20

// field is one setting of a configuration struct.
type field struct {
	name, usage string
	secret      bool
	value       reflect.Value
}

// env is the variable of a setting.
func (f field) env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))
}

// fileFlag is the flag that names the file of a secret.
func (f field) fileFlag() string { return f.name + "-file" }

// fieldsOf lists the settings of the struct that cfg points to.
func fieldsOf(cfg any) ([]field, error) {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("config: %T is not a pointer to a struct", cfg)
	}
	return structFields(v.Elem()), nil
}

func structFields(v reflect.Value) (out []field) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct {
			out = append(out, structFields(v.Field(i))...)
			continue
		}
		name, ok := sf.Tag.Lookup("config")
		if !ok || name == "-" {
			continue
		}
		out = append(out, field{name: name, usage: sf.Tag.Get("usage"), secret: sf.Tag.Get("secret") == "true", value: v.Field(i)})
	}
	return out
}

// Bind adds one flag per setting to fs; the values in cfg are the defaults. A
// secret's default is not shown.
func Bind(fs *pflag.FlagSet, cfg any) error {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return err
	}
	for _, f := range fields {
		switch p := f.value.Addr().Interface().(type) {
		case *string:
			fs.StringVar(p, f.name, *p, f.usage)
		case *bool:
			fs.BoolVar(p, f.name, *p, f.usage)
		case *int:
			fs.IntVar(p, f.name, *p, f.usage)
		case *time.Duration:
			fs.DurationVar(p, f.name, *p, f.usage)
		case *[]string:
			fs.StringSliceVar(p, f.name, *p, f.usage)
		default:
			return fmt.Errorf("config: setting %s has type %s, which is not supported", f.name, f.value.Type())
		}
		if f.secret {
			fs.Lookup(f.name).DefValue = ""
			if fs.Lookup(f.fileFlag()) == nil {
				fs.String(f.fileFlag(), "", "file that holds the value of --"+f.name)
			}
		}
	}
	return nil
}

// MustBind is Bind for a struct that the program itself defines: a fault is a
// programming error.
func MustBind(fs *pflag.FlagSet, cfg any) {
	if err := Bind(fs, cfg); err != nil {
		panic(err)
	}
}

// Load fills cfg after fs, to which Bind added the flags, was parsed. Every
// fault is in the error, joined; each names the setting and where it came from.
func Load(fs *pflag.FlagSet, cfg any) error {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return err
	}
	l := loader{fs: fs, fields: fields, lookup: os.LookupEnv}
	l.environment()
	l.file()
	return errors.Join(l.faults...)
}

// loader collects values by rising precedence order of what is still unset.
type loader struct {
	fs     *pflag.FlagSet
	fields []field
	lookup func(string) (string, bool)
	set    map[string]bool // settings that a flag or the environment decided
	faults []error
}

func (l *loader) fault(format string, a ...any) {
	l.faults = append(l.faults, fmt.Errorf(format, a...))
}

// environment applies variables to settings that no flag set.
func (l *loader) environment() {
	l.set = map[string]bool{}
	for _, f := range l.fields {
		if flag := l.fs.Lookup(f.name); flag != nil && flag.Changed {
			l.set[f.name] = true
			continue
		}
		value, source, ok := l.fromFileFlag(f)
		if !ok {
			value, source, ok = l.fromEnv(f)
		}
		if !ok {
			continue
		}
		l.set[f.name] = true
		if err := assign(f, value); err != nil {
			l.fault("%s: %w", source, err)
		}
	}
}

// fromFileFlag reads the file that --x-file of a secret names.
func (l *loader) fromFileFlag(f field) (value, source string, ok bool) {
	flag := l.fs.Lookup(f.fileFlag())
	if _, own := l.find(f.fileFlag()); own || !f.secret || flag == nil || !flag.Changed {
		return "", "", false
	}
	data, err := readBounded(flag.Value.String())
	if err != nil {
		l.fault("--%s: %w", f.fileFlag(), err)
		return "", "", false
	}
	return strings.TrimRight(string(data), "\r\n"), "--" + f.fileFlag(), true
}

// fromEnv reads TUTTI_X, or the file that TUTTI_X_FILE names. A setting whose
// own name ends in "-file" has no second form.
func (l *loader) fromEnv(f field) (value, source string, ok bool) {
	if v, ok := l.lookup(f.env()); ok && v != "" {
		return v, f.env(), true
	}
	name := f.env() + "_FILE"
	path, ok := l.lookup(name)
	if !ok || path == "" {
		return "", "", false
	}
	for _, other := range l.fields {
		if other.env() == name {
			return "", "", false
		}
	}
	data, err := readBounded(path)
	if err != nil {
		l.fault("%s: %w", name, err)
		return "", "", false
	}
	return strings.TrimRight(string(data), "\r\n"), name, true
}

func readBounded(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: create the file or unset the variable", err)
	}
	if st.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, st.Size(), maxFile)
	}
	return os.ReadFile(path)
}
