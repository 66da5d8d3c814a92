package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// assign parses text into a setting. The text itself is quoted in the error
// only when the setting is no secret.
func assign(f field, text string) error {
	shown := strconv.Quote(text)
	if f.secret {
		shown = "the value"
	}
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s is not true or false", shown)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", shown)
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is not a duration such as 250ms, 30s or 12h", shown)
		}
		*p = d
	case *[]string:
		*p = splitList(text)
	}
	return nil
}

// splitList splits at commas, without empty parts.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
