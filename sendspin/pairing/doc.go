// Package pairing is Sendspin's pairing as step functions: both sides of the three
// methods, and the cryptography below them. It does no I/O, starts no goroutine and
// reads no clock. Whoever owns a connection (the driver) feeds in decoded messages of
// package wire and what people do, and carries out the [Effect] values that come back.
//
// # What pairing is
//
// A server and a device that have never met share no secret. Their Noise connection is
// keyed with a published constant, the Sentinel PSK: it is encrypted, but somebody in
// the middle could hold one connection to each of them. Pairing shows both that they
// talk to each other, and leaves both with a new long-term PSK that keys every later
// connection. A person helps, by one of three methods:
//
//   - pairing_psk: the person gives the server the device's pairing token, a long secret
//     printed on it. The Noise handshake itself then runs on that secret, and the device
//     sends the new PSK at once.
//   - dynamic_pairing_code: the device shows or speaks six digits made up for this
//     connection, or shows a QR code, and the person enters it into the server.
//   - static_pairing_code: the device has eight fixed digits on its label, and accepts
//     attempts only in a pairing window that a gesture opens.
//
// # How the codes work
//
// Six digits are easy to guess, so they never cross the connection, not even hashed.
// Both sides run CPace on them (package cpace): each sends one curve point, both get a
// strong key if and only if they used the same code on the same connection, and each
// then proves to the other that it has the key. Somebody in the middle gets one guess
// for each run and nothing to compute on afterwards. "The same connection" is the Noise
// handshake hash h inside of the session id: two connections have two hashes, so passing
// messages along between them fails.
//
//	server                                          device
//	server/activate ------------------------------> (pairing index counts these)
//	        <------------------- client/pair-pending   held back: no window, round limit
//	        <---------------------- client/pair-init   commit_B = H(nonce_B)
//	server/pair-init -----------------------------> nonce_A; code = H(h, nonce_A, nonce_B)
//	                   person: reads the code, enters it
//	server/pair-auth -----------------------------> Ya
//	        <---------------------- client/pair-auth   Yb
//	server/pair-confirm --------------------------> Ta; the device knows: it is the server
//	        <--------------------- client/pair-retry   or it was the wrong code: next round
//	        <------------------- client/pair-confirm   Tb, nonce_B sealed
//	        <------------------ client/pair-finalize   new PSK sealed
//	               server checks Tb, then the commitment, then the code; stores
//	server/pair-finalize -------------------------> device stores
//
// The dynamic code is not simply random: it is computed from h and from one nonce of
// each side, and the device commits to its nonce before it sees the server's. So neither
// side, nor anybody in between, can choose a code, for instance one that makes two
// connections show the same digits. At the end the device opens the commitment and the
// server recomputes the code that the person has entered. The static method has no nonces
// and no rounds, the Pairing PSK method only the first and the last two messages.
//
// # Using the flows
//
// A server makes a [ServerFlow], sends the server/activate with Activation, passes every
// pairing message to Receive and the person's input to EnterCode, and obeys:
//
//   - [Send]: send the message. Messages of one call go out in their order.
//   - [Held], [AskCode]: tell the person, ask the person.
//   - [Verified]: store the record, then call Stored, which sends the acknowledgement. If
//     the attempt ends in between, remove the record again.
//   - [Ended]: with Success, re-handshake to the new PSK and send a server/activate;
//     otherwise send a server/activate that leaves pairing. Store nothing.
//   - [Close]: close the connection without a word. Store nothing.
//
// A client makes a [ClientFlow] for each server/activate with the pairing activity, calls
// Start and passes the pairing messages and every later server/activate to Receive.
// Deadline says when to call Tick. It has [ShowCode] in place of AskCode and [Paired] in
// place of Verified. What a device remembers between attempts are two values that the
// driver owns and hands to each flow: [Rounds], the round limit, and [Window], the pairing
// window of the static code.
//
// Both flows go on after the end of their attempt, to tell leftovers that are dropped
// silently from faults that close the connection.
//
// # Protocol errors
//
// What no conformant peer does is answered by closing without a word: [Close] with a
// [ProtocolError]. Where the specification leaves the edge of that open, this package
// decides as follows.
//
//   - A field that must be absent is as wrong as one that is missing.
//   - client/pair-pending may be repeated until the attempt starts.
//   - A server drops messages without an index, and the abort reasons of an attempt that
//     had begun, while it waits for the first answer to the second or a later activation
//     since the handshake: they may be leftovers of the attempt before.
//   - A server takes a client's pair/abort as the end of pairing and drops what follows;
//     a client goes by the letter and closes.
//   - The Sentinel PSK as the new long-term PSK is a protocol error.
//
// # Revisions
//
// The flows are those of the current specification. Devices of mid 2026 derive codes
// under another label and leave the round out of the CPace session id: [Scheme] has their
// values for the computations. Their flows differ (no rounds, nonce_B in clear, other
// abort reasons, no client/pair-init in the Pairing PSK method) and are not here.
//
// Specification: section "Pairing".
package pairing
