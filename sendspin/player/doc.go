// Package player holds the player role's arithmetic that both ends of a connection
// share: the accounting of a player's buffer and the volume curve. The renderer of a
// player is in the package render below it.
//
// Times are passed in, in microseconds. No type is safe for concurrent use: its
// owner serializes.
package player
