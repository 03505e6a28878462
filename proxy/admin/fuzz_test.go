package admin

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"testing"
	"time"
)

// FuzzBearer: whatever a stranger sends is nobody, and nothing breaks.
func FuzzBearer(f *testing.F) {
	g, err := NewGuard([][]byte{bytes.Repeat([]byte("k"), 32)}, nil, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	g.Use(rules)
	sealed, err := g.box().seal(pass{ID: "x", Token: "nightly", Proof: proofOf("x", "another token"), Began: time.Now().Unix(), Used: time.Now().Unix()})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "Bearer ", "Bearer " + nightly[1:], "Bearer " + sealed, "bearer\x00x", "Basic YTpi", sealed} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if header == "Bearer "+nightly || header == "Bearer "+deskOne {
			t.Skip("a token that is right")
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		r.Header["Cookie"] = []string{PassCookie + "=" + header}
		if who, err := g.who(r); !errors.Is(err, errNobody) || who != (Who{}) {
			t.Errorf("%q is %+v, %v", header, who, err)
		}
	})
}
