package sendspintest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/sendspin/channel"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// SourceAudio is a source audio chunk of the client, which Next returns in the order of
// arrival among the JSON messages.
type SourceAudio struct {
	// Payload is what follows the message ID; [wire.ParseSourceChunk] reads it.
	Payload []byte
	// Received is the server's clock when it arrived.
	Received int64
}

// Type says what it is. It is not a type of the wire.
func (*SourceAudio) Type() string { return "source audio" }

// patience bounds every wait of a test.
const patience = time.Minute

// Server is a server's end of one connection that a test plays by hand. It answers
// client/time by itself; every other message of the client waits for Next. Its
// methods fail the test that made it, so they are called from the test's goroutine.
type Server struct {
	// Conn is the connection, for what the other methods do not cover.
	Conn *channel.Conn

	tb       testing.TB
	now      func() int64
	messages chan wire.Message
	wg       sync.WaitGroup

	hash  [32]byte // of the handshake that index belongs to
	index uint32   // pairing activations since then

	mu    sync.Mutex
	asked int
	err   error

	answering sync.Mutex // held while an answer is given
	answers   bool
}

// ServerOptions configure a [Server]. The zero value is a server with a new identity
// that uses the Sentinel PSK.
type ServerOptions struct {
	Identity   *noise.PrivateKey
	Credential channel.Credential
	// Now is the server's clock in microseconds; nil is a monotonic one with an
	// arbitrary origin.
	Now func() int64
}

// NewServer runs the server's side of the handshake on t. The connection is closed
// and its goroutine has ended when the test is over.
func NewServer(tb testing.TB, t channel.Transport, o ServerOptions) *Server {
	tb.Helper()
	s, err := openServer(tb, t, o)
	if err != nil {
		tb.Fatalf("server's handshake: %v", err)
	}
	return s
}

func openServer(tb testing.TB, t channel.Transport, o ServerOptions) (*Server, error) {
	if o.Identity == nil {
		key, err := noise.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		o.Identity = key
	}
	if o.Credential.Category == "" {
		o.Credential = channel.Credential{PSK: noise.SentinelPSK(), Category: noise.Sentinel}
	}
	if o.Now == nil {
		start := time.Now()
		o.Now = func() int64 { return 1_000_000_000_000 + time.Since(start).Microseconds() }
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := channel.OpenServer(ctx, t, channel.ServerConfig{
		Identity:   o.Identity,
		Credential: func(context.Context, string) (channel.Credential, error) { return o.Credential, nil },
	})
	if err != nil {
		return nil, err
	}
	s := &Server{Conn: conn, tb: tb, now: o.Now, messages: make(chan wire.Message, 1024), answers: true}
	s.wg.Go(s.read)
	tb.Cleanup(s.Close)
	return s, nil
}

// read is the server's goroutine.
func (s *Server) read() {
	defer close(s.messages)
	for {
		id, payload, err := s.Conn.Read(context.Background())
		received := s.now()
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
		if id == wire.IDSource {
			s.messages <- &SourceAudio{Payload: slices.Clone(payload), Received: received}
			continue
		}
		if id != wire.IDJSON {
			continue
		}
		m, err := wire.Current().DecodeFromClient(payload)
		if err != nil {
			s.tb.Errorf("the client sent %s: %v", payload, err)
			continue
		}
		if q, ok := m.(*wire.ClientTime); ok {
			s.answer(q, received)
			continue
		}
		s.messages <- m
	}
}

func (s *Server) answer(q *wire.ClientTime, received int64) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	s.answering.Lock()
	defer s.answering.Unlock()
	if !s.answers {
		return
	}
	_ = s.Conn.WriteStamped(context.Background(), func(dst []byte) []byte {
		body, err := wire.Current().Encode(&wire.ServerTime{
			ClientTransmitted: q.ClientTransmitted, ServerReceived: received, ServerTransmitted: s.now(),
		})
		if err != nil {
			panic(err)
		}
		return append(append(dst, wire.IDJSON), body...)
	})
}

// AnswerTime switches the answers to client/time off and on. When it returns, those from
// before are sent.
func (s *Server) AnswerTime(on bool) {
	s.answering.Lock()
	defer s.answering.Unlock()
	s.answers = on
}

// TimeQuestions returns the number of client/time messages so far.
func (s *Server) TimeQuestions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Now returns the server's clock.
func (s *Server) Now() int64 { return s.now() }

// Send sends a message.
func (s *Server) Send(m wire.Message) {
	s.tb.Helper()
	body, err := wire.Current().Encode(m)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.SendRaw(body)
}

// SendRaw sends a JSON body as it is, for messages that our encoder refuses. That the
// connection is over is no failure here: a client may close while it is being written.
func (s *Server) SendRaw(body []byte) {
	s.tb.Helper()
	if err := s.Conn.WriteJSON(context.Background(), body); err != nil {
		s.tb.Logf("server sends %s: %v", body, err)
	}
}

// SendAudio sends an audio chunk; send_ahead is measured. Errors are as in SendRaw.
func (s *Server) SendAudio(timestamp int64, data []byte) {
	s.tb.Helper()
	plain := make([]byte, wire.AudioHeaderLen, wire.AudioHeaderLen+len(data))
	plain = append(plain, data...)
	wire.PutAudioHeader(plain, timestamp, wire.SendAhead(timestamp, s.now()))
	if err := s.Conn.WritePlain(context.Background(), plain); err != nil {
		s.tb.Logf("server sends audio: %v", err)
	}
}

// SendArtwork sends an artwork message. Errors are as in SendRaw.
func (s *Server) SendArtwork(m wire.ArtworkMessage) {
	s.tb.Helper()
	if err := s.Conn.WritePlain(context.Background(), wire.AppendArtwork(nil, m)); err != nil {
		s.tb.Logf("server sends artwork: %v", err)
	}
}

// SendImage announces an image on a channel and sends it in parts of the given size.
func (s *Server) SendImage(channel int, timestamp int64, image []byte, part int) {
	s.tb.Helper()
	s.SendArtwork(wire.ArtworkMessage{Kind: wire.ArtworkAnnounce, Channel: channel, Timestamp: timestamp, TotalSize: uint32(len(image))})
	for len(image) > 0 {
		n := min(part, len(image))
		s.SendArtwork(wire.ArtworkMessage{Channel: channel, Data: image[:n]})
		image = image[n:]
	}
}

// Next returns the client's next message that is not client/time.
func (s *Server) Next() wire.Message {
	s.tb.Helper()
	select {
	case m, ok := <-s.messages:
		if !ok {
			s.tb.Fatalf("the connection ended: %v", s.Err())
		}
		return m
	case <-time.After(patience):
		s.tb.Fatal("the client sends nothing")
	}
	return nil
}

// Expect returns the client's next message, which has to be of type M.
func Expect[M wire.Message](s *Server) M {
	s.tb.Helper()
	m := s.Next()
	want, ok := m.(M)
	if !ok {
		s.tb.Fatalf("the client sent %s %+v, want %s", m.Type(), m, fmt.Sprintf("%T", want))
	}
	return want
}

// Greet exchanges the hellos and returns the client's.
func (s *Server) Greet() *wire.ClientHello {
	s.tb.Helper()
	return s.GreetWith(&wire.ServerHello{Name: "test"})
}

// GreetWith is Greet with a server/hello of the test's choice.
func (s *Server) GreetWith(m *wire.ServerHello) *wire.ClientHello {
	s.tb.Helper()
	s.Send(m)
	return Expect[*wire.ClientHello](s)
}

// Activate sends server/activate with the given activities and all roles of roles.
func (s *Server) Activate(activities []string, roles ...string) {
	s.tb.Helper()
	if roles == nil {
		roles = []string{}
	}
	s.Send(&wire.ServerActivate{Activities: activities, ActiveRoles: roles})
}

// WaitClosed waits until the connection is over and returns why.
func (s *Server) WaitClosed() error {
	s.tb.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m, ok := <-s.messages:
			if !ok {
				return s.Err()
			}
			s.tb.Fatalf("the client sent %s %+v, want the end of the connection", m.Type(), m)
		case <-deadline:
			s.tb.Fatal("the client does not close the connection")
		}
	}
}

// Err returns what ended the connection, nil while it lives.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close closes the connection and waits for its goroutine.
func (s *Server) Close() {
	_ = s.Conn.CloseNow()
	s.wg.Wait()
}
