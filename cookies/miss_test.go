package cookies_test

import (
	"strings"
	"testing"

	"foregate/cookies/memstore"
)

func BenchmarkLoadMiss(b *testing.B) {
	s := open(b, memstore.New(), nil)
	br := newBrowser()
	id := typical(1)
	id.Private = map[string]string{"id_token": strings.Repeat("x", 1300)}
	signIn(b, s, br, id)
	r := br.request()
	b.ReportAllocs()
	for b.Loop() {
		s.ForgetAll()
		if _, err := s.Load(b.Context(), r, true, app); err != nil {
			b.Fatal(err)
		}
	}
}
