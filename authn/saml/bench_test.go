package saml

import "testing"

// BenchmarkRead verifies and reads an answer whose assertion is signed.
func BenchmarkRead(b *testing.B) {
	clk := newClock()
	m := openFor(b, config(b), clk, nil)
	p, err := m.provider(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	text, signers := []byte(forge{now: clk.now(), signAssertion: true}.build()), m.signers(p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.read(text, signers); err != nil {
			b.Fatal(err)
		}
	}
}
