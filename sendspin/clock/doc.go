// Package clock is Sendspin's clock synchronization as plain arithmetic: the
// two-state Kalman filter that maps a client's clock to the server's, the
// measurement that one time exchange yields, and the burst of exchanges that feeds
// the filter. (Specification: Clock Synchronization.)
//
// Times are passed in; nothing here reads a clock. All of them are microseconds,
// of a monotonic clock with any origin. No type is safe for concurrent use: its
// owner serializes.
package clock
