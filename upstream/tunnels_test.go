package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

func frameOf(payload int) []byte {
	switch {
	case payload < 126:
		return append([]byte{0x82, byte(payload)}, make([]byte, payload)...)
	case payload < 1<<16:
		return append([]byte{0x82, 126, byte(payload >> 8), byte(payload)}, make([]byte, payload)...)
	default:
		return append([]byte{0x82, 127, 0, 0, 0, 0, byte(payload >> 24), byte(payload >> 16), byte(payload >> 8), byte(payload)}, make([]byte, payload)...)
	}
}

func TestFramesAreFollowedInWhateverPieces(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 100_000} {
		frame := frameOf(size)
		for _, piece := range []int{1, 2, 3, 7, len(frame)} {
			var f frames
			for at := 0; at < len(frame); at += piece {
				if at > 0 && f.between() {
					t.Fatalf("payload of %d in pieces of %d: between frames after %d bytes", size, piece, at)
				}
				f.pass(frame[at:min(at+piece, len(frame))])
			}
			if !f.between() {
				t.Fatalf("payload of %d in pieces of %d: the frame has not ended", size, piece)
			}
		}
	}
}

// tunnelled is a tunnel of t and the application's end of it.
func tunnelled(t *testing.T, among *Tunnels) (io.ReadCloser, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	return among.through(ours), theirs
}

func TestFM10TheEndIsSaidBetweenFrames(t *testing.T) {
	var among Tunnels
	body, app := tunnelled(t, &among)
	frame := frameOf(5)
	go func() { _, _ = app.Write(frame) }()
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(body, got); err != nil {
		t.Fatal(err)
	}
	all := make(chan []byte)
	go func() {
		rest, _ := io.ReadAll(body)
		_ = body.Close()
		all <- rest
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if n := among.Leave(ctx); n != 0 {
		t.Errorf("%d still open", n)
	}
	if rest := <-all; !bytes.Equal(rest, goingAway) {
		t.Errorf("the client got % x, want % x", rest, goingAway)
	}

	late, _ := tunnelled(t, &among)
	if rest, _ := io.ReadAll(late); !bytes.Equal(rest, goingAway) {
		t.Errorf("one that opened later got % x, want % x", rest, goingAway)
	}
}

// TestFM10NoFrameIsForgedIntoAnother: half a message must not look like a whole one.
func TestFM10NoFrameIsForgedIntoAnother(t *testing.T) {
	var among Tunnels
	body, app := tunnelled(t, &among)
	half := frameOf(50)[:20]
	go func() { _, _ = app.Write(half) }()
	got := make([]byte, len(half))
	if _, err := io.ReadFull(body, got); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if n := among.Leave(ctx); n != 1 {
		t.Errorf("%d open, want the one whose client has not ended", n)
	}
	if rest, _ := io.ReadAll(body); len(rest) != 0 {
		t.Errorf("in the midst of a frame the client got % x", rest)
	}
}
