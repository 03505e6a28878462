package cookies_test

import "testing"

func TestWhatWasMadeBesideTheRecordIsMadeAnewOnEveryReplica(t *testing.T) {
	here, there, _ := twoReplicas(t)
	alices, bobs := newBrowser(), newBrowser()
	signIn(t, here, alices, alice)
	signIn(t, here, bobs, bob)
	wantUser(t, here, alices, "alice").Keep("old")
	wantUser(t, there, alices, "alice").Keep("old")
	wantUser(t, there, bobs, "bob").Keep("bob's")
	if err := here.RereadPerson(t.Context(), alice.Issuer, alice.Subject); err != nil {
		t.Fatal(err)
	}
	if kept := wantUser(t, here, alices, "alice").Kept(); kept != nil {
		t.Errorf("here %v is kept", kept)
	}
	sess := wantUser(t, there, alices, "alice")
	if sess.Kept() != nil || sess.Overtaken() || there.Due(sess) {
		t.Errorf("there %v is kept, overtaken %v", sess.Kept(), sess.Overtaken())
	}
	if kept := wantUser(t, there, bobs, "bob").Kept(); kept != "bob's" {
		t.Errorf("of somebody else %v is kept", kept)
	}
	if err := here.RereadPerson(t.Context(), alice.Issuer, ""); err == nil {
		t.Error("nobody's sessions were reread")
	}
}
