// Package clocksim simulates what clock synchronization meets: a crystal that is off
// and wanders with the temperature, and a network whose delays jitter, differ by
// direction and stand still now and then. The client library's own plan of exchanges
// ([clock.Sync]) runs on it, message by message, and the estimate is compared with the
// truth, which only a simulation knows.
//
// Everything is determined by the seed. There is no network, no timer and no reading of
// a real clock: ten simulated hours take a fraction of a second.
package clocksim
