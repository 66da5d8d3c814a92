//go:build !unix

package vitals

import "time"

func processTime() (time.Duration, bool) { return 0, false }
