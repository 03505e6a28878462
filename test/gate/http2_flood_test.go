package gate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHT4FloodsOfHTTP2EndTheirOwnConnection: whoever resets, continues, pings, compresses
// or waits without end loses the connection or gets nowhere, takes no memory, and others
// are answered meanwhile.
func TestHT4FloodsOfHTTP2EndTheirOwnConnection(t *testing.T) {
	f := start(t, options{tls: true, program: plainProgram(t)})
	get := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app.test"}, {":path", "/public/x"}}
	const most = 60_000 // frames
	for _, flood := range []struct {
		name string
		send func(framer *http2.Framer, block []byte) error
		ends bool // the server must end the connection
	}{
		{"streams that are reset at once", func(framer *http2.Framer, block []byte) error {
			for i := range uint32(most) {
				if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
				if err := framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"a header that never ends", func(framer *http2.Framer, block []byte) error {
			if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block}); err != nil {
				return err
			}
			more := http2Block(t, [][2]string{{"x-filler", strings.Repeat("a", 4000)}})
			for range most {
				if err := framer.WriteContinuation(1, false, more); err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"one name that is said again a million times", func(framer *http2.Framer, _ []byte) error {
			long := http2Block(t, append(get[:4:4], [2]string{"x-long", strings.Repeat("a", 3900)})) // into the table …
			bomb := append(long, []byte(strings.Repeat("\xbe", 12_000))...)                          // … and out of it: 47 MB
			for i := range uint32(50) {
				if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: bomb, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"pings", func(framer *http2.Framer, _ []byte) error {
			for range most {
				if err := framer.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"settings", func(framer *http2.Framer, _ []byte) error {
			for range most {
				if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"answers that nobody takes", func(framer *http2.Framer, block []byte) error {
			if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
				return err
			}
			for i := range uint32(100) {
				if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
					return err
				}
			}
			return nil
		}, false},
	} {
		t.Run(flood.name, func(t *testing.T) {
			before := f.resident(t)
			framer := http2Open(t, f.https)
			sent := make(chan error, 1)
			go func() { sent <- flood.send(framer, http2Block(t, get)) }()
			slowest := time.Duration(0)
			var err error
			for flooding := true; flooding; {
				began := time.Now()
				if got := http2Answer(t, f.https, get); got != "200" {
					t.Errorf("somebody else is answered %q", got)
				}
				slowest = max(slowest, time.Since(began))
				select {
				case err = <-sent:
					flooding = false
				case <-time.After(50 * time.Millisecond):
				}
			}
			if flood.ends && err == nil {
				t.Error("the connection is still open")
			}
			grown := f.resident(t) - before
			t.Logf("ended with %v; %d MiB more; somebody else waited %s at most", err, grown>>20, slowest.Round(time.Millisecond))
			if grown > 50<<20 {
				t.Errorf("%d MiB more", grown>>20)
			}
			if slowest > 3*time.Second {
				t.Errorf("somebody else waited %s", slowest)
			}
		})
	}
}

// resident is the memory of the process, in bytes.
func (f *foregate) resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		t.Skip("reads the memory of a process as Linux tells it")
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	return kib << 10
}
