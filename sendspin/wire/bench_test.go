package wire

import "testing"

func BenchmarkDecodeClientTime(b *testing.B) {
	in := []byte(`{"type":"client/time","payload":{"client_transmitted":1234567890123}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Current().DecodeFromClient(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeServerTime(b *testing.B) {
	m := &ServerTime{1234567890123, 9234567890123, 9234567890124}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Current().Encode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeClientState(b *testing.B) {
	in := []byte(`{"type":"client/state","payload":{"available":true,"player":{"volume":50,"muted":false,"output_delay_ms":0,"required_lead_time_ms":250,"min_buffer_ms":250,"supported_commands":["volume","mute"]}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Current().DecodeFromClient(in); err != nil {
			b.Fatal(err)
		}
	}
}
