package wire

import "errors"

// Encode implements [Codec].
func (currentCodec) Encode(m Message) ([]byte, error) { return nil, errors.ErrUnsupported }

// DecodeFromClient implements [Codec].
func (currentCodec) DecodeFromClient(b []byte) (Message, error) { return nil, errors.ErrUnsupported }

// DecodeFromServer implements [Codec].
func (currentCodec) DecodeFromServer(b []byte) (Message, error) { return nil, errors.ErrUnsupported }

// ParseClientInit reads the first message of a connection.
func ParseClientInit(raw []byte) (*ClientInit, error) { return nil, errors.ErrUnsupported }
