package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoService is a gRPC service whose messages are strings.
type echoService struct {
	ended chan error // why a call of wait ended, as the service saw it
}

// unary answers with the message and who asks, with metadata before and behind it. Asked
// for "nobody" it fails with a detail.
func (e *echoService) unary(ctx context.Context, text string) (string, error) {
	in, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-said", strings.Join(in.Get("x-asked"), "|"), "x-said-bin", strings.Join(in.Get("x-asked-bin"), "")))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-behind", "1", "x-behind", "2", "x-behind-bin", "\x00\xff"))
	if text == "nobody" {
		failed, err := status.New(codes.NotFound, "no such patient: Zoë, 100%").WithDetails(wrapperspb.String("ask the ward"))
		if err != nil {
			return "", err
		}
		return "", failed.Err()
	}
	return text + " for " + strings.Join(in.Get("x-forwarded-user"), "|"), nil
}

// count sends the message 100 times, then a trailer.
func (e *echoService) count(stream grpc.ServerStream) error {
	var in wrapperspb.StringValue
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	for i := range 100 {
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(in.Value, " ", i))); err != nil {
			return err
		}
	}
	stream.SetTrailer(metadata.Pairs("x-count", "100"))
	return status.Error(codes.DataLoss, "and no more")
}

// chat answers each message before it reads the next.
func (e *echoService) chat(stream grpc.ServerStream) error {
	for {
		var in wrapperspb.StringValue
		if err := stream.RecvMsg(&in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(wrapperspb.String("re: " + in.Value)); err != nil {
			return err
		}
	}
}

// wait says whether its deadline is near, and then nothing until the client has had enough.
func (e *echoService) wait(stream grpc.ServerStream) error {
	deadline, limited := stream.Context().Deadline()
	near := limited && time.Until(deadline) <= 2*time.Second
	if err := stream.SendMsg(wrapperspb.String(fmt.Sprint("near: ", near))); err != nil {
		return err
	}
	<-stream.Context().Done()
	e.ended <- stream.Context().Err()
	return stream.Context().Err()
}

// serveEcho serves e under this name and returns its address.
func serveEcho(t *testing.T, e *echoService, name string, more ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unary := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in wrapperspb.StringValue
		if err := decode(&in); err != nil {
			return nil, err
		}
		text, err := e.unary(ctx, in.Value)
		return wrapperspb.String(text), err
	}
	stream := func(f func(grpc.ServerStream) error) grpc.StreamHandler {
		return func(_ any, s grpc.ServerStream) error { return f(s) }
	}
	server := grpc.NewServer(more...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: name, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Count", Handler: stream(e.count), ServerStreams: true},
			{StreamName: "Chat", Handler: stream(e.chat), ServerStreams: true, ClientStreams: true},
			{StreamName: "Wait", Handler: stream(e.wait), ServerStreams: true, ClientStreams: true},
		},
	}, e)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// TestGRPCGoesThrough: calls of each sort, with what comes before and behind them, their
// errors and their ends, to applications without TLS and with it.
func TestGRPCGoesThrough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := certificate(t, dir)
	secure, err := credentials.NewServerTLSFromFile(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	e := &echoService{ended: make(chan error, 1)}
	f := start(t, options{tls: true, app: fmt.Sprintf(`    upstreams:
      - {path: /plain.Echo, url: "http://%s", h2c: true}
      - {path: /secure.Echo, url: "https://%s", ca: %q, server_name: app.test}`,
		serveEcho(t, e, "plain.Echo"), serveEcho(t, e, "secure.Echo", grpc.Creds(secure)), filepath.Join(dir, "cert.pem"))})
	b := newSecureBrowser(f)
	b.signIn("alice", alicePassword, "/")
	conn, err := grpc.NewClient("passthrough:///"+f.https, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		ServerName: "app.test", InsecureSkipVerify: true, // the certificate is made for this test alone
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	alice := metadata.AppendToOutgoingContext(ctx, "cookie", "__Host-foregate="+b.cookie("__Host-foregate"), "x-asked", "a", "x-asked", "b", "x-asked-bin", "\x01\xfe")
	for _, service := range []string{"/plain.Echo/", "/secure.Echo/"} {
		t.Run(strings.Trim(service, "/"), func(t *testing.T) {
			c := echoClient{t, conn, service}
			c.unary(alice)
			c.stranger(ctx)
			c.count(alice)
			c.chat(alice)
			c.wait(alice, e.ended)
		})
	}
}

// echoClient calls the service behind the gate.
type echoClient struct {
	t       *testing.T
	conn    *grpc.ClientConn
	service string
}

func (c echoClient) unary(ctx context.Context) {
	c.t.Helper()
	for _, long := range []string{"short", strings.Repeat("long ", 500_000)} {
		var out wrapperspb.StringValue
		var before, behind metadata.MD
		if err := c.conn.Invoke(ctx, c.service+"Unary", wrapperspb.String(long), &out, grpc.Header(&before), grpc.Trailer(&behind)); err != nil {
			c.t.Fatalf("a call: %v", err)
		}
		if out.Value != long+" for alice" {
			c.t.Errorf("the answer: %.100q", out.Value)
		}
		c.metadata(before, behind)
	}
	var before, behind metadata.MD
	err := c.conn.Invoke(ctx, c.service+"Unary", wrapperspb.String("nobody"), &wrapperspb.StringValue{}, grpc.Header(&before), grpc.Trailer(&behind))
	failed := status.Convert(err)
	if failed.Code() != codes.NotFound || failed.Message() != "no such patient: Zoë, 100%" {
		c.t.Errorf("a call that fails: %v", err)
	}
	if details := failed.Details(); len(details) != 1 || details[0].(*wrapperspb.StringValue).Value != "ask the ward" {
		c.t.Errorf("its details: %v", details)
	}
	c.metadata(before, behind)
	if err := c.conn.Invoke(ctx, c.service+"Unknown", wrapperspb.String(""), &wrapperspb.StringValue{}); status.Code(err) != codes.Unimplemented {
		c.t.Errorf("a call that is unknown: %v", err)
	}
}

func (c echoClient) metadata(before, behind metadata.MD) {
	c.t.Helper()
	got := [][]string{before.Get("x-said"), before.Get("x-said-bin"), behind.Get("x-behind"), behind.Get("x-behind-bin")}
	if diff := cmp.Diff([][]string{{"a|b"}, {"\x01\xfe"}, {"1", "2"}, {"\x00\xff"}}, got); diff != "" {
		c.t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

// stranger calls without a session.
func (c echoClient) stranger(ctx context.Context) {
	c.t.Helper()
	if err := c.conn.Invoke(ctx, c.service+"Unary", wrapperspb.String("x"), &wrapperspb.StringValue{}); status.Code(err) != codes.Unauthenticated {
		c.t.Errorf("a stranger: %v", err)
	}
}

func (c echoClient) count(ctx context.Context) {
	c.t.Helper()
	stream := c.open(ctx, "Count")
	c.send(stream, "n")
	_ = stream.CloseSend()
	for i := range 100 {
		c.want(stream, fmt.Sprint("n ", i))
	}
	if err := stream.RecvMsg(&wrapperspb.StringValue{}); status.Code(err) != codes.DataLoss {
		c.t.Errorf("the end of a stream: %v", err)
	}
	if got := stream.Trailer().Get("x-count"); len(got) != 1 || got[0] != "100" {
		c.t.Errorf("its trailer: %v", stream.Trailer())
	}
}

func (c echoClient) chat(ctx context.Context) {
	c.t.Helper()
	stream := c.open(ctx, "Chat")
	for i := range 20 {
		c.send(stream, fmt.Sprint("message ", i))
		c.want(stream, fmt.Sprint("re: message ", i))
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(&wrapperspb.StringValue{}); !errors.Is(err, io.EOF) {
		c.t.Errorf("the end of a chat: %v", err)
	}
}

// wait ends calls by a deadline and by a cancel, and the application must learn of both.
func (c echoClient) wait(ctx context.Context, ended <-chan error) {
	c.t.Helper()
	for _, how := range []struct {
		code  codes.Code
		limit time.Duration
	}{{codes.DeadlineExceeded, 2 * time.Second}, {codes.Canceled, 20 * time.Second}} {
		ctx, cancel := context.WithTimeout(ctx, how.limit)
		stream := c.open(ctx, "Wait")
		c.want(stream, fmt.Sprint("near: ", how.code == codes.DeadlineExceeded))
		if how.code == codes.Canceled {
			cancel()
		}
		if err := stream.RecvMsg(&wrapperspb.StringValue{}); status.Code(err) != how.code {
			c.t.Errorf("%s: the client has %v", how.code, err)
		}
		select {
		case err := <-ended:
			// Its own deadline and the client's end of the call race.
			if how.code == codes.Canceled && !errors.Is(err, context.Canceled) {
				c.t.Errorf("%s: the application has %v", how.code, err)
			}
		case <-time.After(5 * time.Second):
			c.t.Errorf("%s: the application still waits", how.code)
		}
		cancel()
	}
}

func (c echoClient) open(ctx context.Context, method string) grpc.ClientStream {
	c.t.Helper()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, c.service+method)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	return stream
}

func (c echoClient) send(stream grpc.ClientStream, text string) {
	c.t.Helper()
	if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c echoClient) want(stream grpc.ClientStream, text string) {
	c.t.Helper()
	var out wrapperspb.StringValue
	if err := stream.RecvMsg(&out); err != nil || out.Value != text {
		c.t.Fatalf("got %q, %v, want %q", out.Value, err, text)
	}
}
