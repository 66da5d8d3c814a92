// Package config fills one struct per program from flags, environment, a YAML file and defaults.
package config

import (
	"errors"

	"github.com/spf13/pflag"
)

// Bind adds one flag per field of cfg to fs; the field values are the defaults.
func Bind(fs *pflag.FlagSet, cfg any) error { return errors.New("config: not built yet") }

// Load fills cfg: flag > env (TUTTI_*) > YAML file (--config) > default.
func Load(fs *pflag.FlagSet, cfg any) error { return errors.New("config: not built yet") }
