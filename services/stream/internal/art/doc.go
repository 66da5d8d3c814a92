// Package art makes pictures fit for displays: it decodes covers under limits, fits them
// into the size that a display asked for, encodes them, and keeps what it made.
//
// All work on pixels is done by one goroutine, the worker of a [Store], one picture at a
// time: an instance whose group begins an album with thirty displays in thirty sizes
// spends one core on it and no more, and audio never waits for it. What the worker made
// is kept within a bound of bytes, and who asks for the same at the same time shares it.
package art
