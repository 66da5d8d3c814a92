// Package cpace is the password-authenticated key exchange CPACE-X25519-SHA512 of
// draft-irtf-cfrg-cpace-21, in initiator-responder mode with explicit key
// confirmation.
//
// Two parties that share a short password end up with the same strong key, and each
// proves to the other that it has it. Somebody in between gets one guess for each
// run and learns nothing that helps to guess offline. One run looks like this:
//
//	A                                             B
//	a := Start(Initiator, in, nil)                b := Start(Responder, in, nil)
//	a.Share() ------------------- Ya -----------> kb := b.Finish(Ya)
//	ka := a.Finish(Yb) <--------- Yb ------------ b.Share()
//	ka.Tag() -------------------- Ta -----------> kb.Verify(Ta)
//	ka.Verify(Tb) <-------------- Tb ------------ kb.Tag()
//
// Only after Verify returned true is the peer known to hold the password; before
// that ISK must not be used for anything that the peer could test a guess on.
//
// What the two share is mapped to a point of Curve25519 and used as the base point
// of a Diffie-Hellman exchange:
//
//	generator string = lv(DSI) || lv(PRS) || lv(zeros) || lv(CI) || lv(sid)
//	g   = Elligator2(SHA-512(generator string)[0..31])        DSI = "CPace255"
//	Ya  = X25519(ya, g)        Yb = X25519(yb, g)
//	K   = X25519(ya, Yb)     = X25519(yb, Ya)
//	ISK = SHA-512(lv("CPace255_ISK") || lv(sid) || lv(K)
//	              || lv(Ya) || lv(ADa) || lv(Yb) || lv(ADb))
//	mac = SHA-512("CPaceMac" || sid || ISK)
//	Ta  = HMAC-SHA-512(mac, lv(Ya) || lv(ADa))
//	Tb  = HMAC-SHA-512(mac, lv(Yb) || lv(ADb))
//
// where lv puts a string's length before it. A peer's share that encodes a point of
// low order is refused, for it would make K the same for every password.
//
// Elligator2 needs arithmetic modulo 2^255-19, which the standard library keeps to
// itself. It comes from filippo.io/edwards25519/field: the same code as in
// crypto/internal, published and kept in step by one of its authors, constant-time,
// without dependencies of its own. The scalar multiplications are crypto/ecdh.
//
// Secrets that this package holds are overwritten as soon as they are of no more
// use. Copies that the standard library makes for the time of a call are left to the
// garbage collector.
package cpace
