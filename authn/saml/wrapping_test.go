package saml

import (
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// xsw are the eight wrappings of SAMLRaider: a forged copy beside or around what
// was signed. Each is given the signed Response and what it is to be about.
var xsw = map[string]func(root *etree.Element){
	"1: Response cloned into the signature of a forged one": func(root *etree.Element) {
		clone := root.Copy()
		removeSignature(clone)
		evil(root)
		root.CreateAttr("ID", "_evil")
		child0(root, "Signature").AddChild(clone)
	},
	"2: Response cloned before the signature of a forged one": func(root *etree.Element) {
		clone := root.Copy()
		removeSignature(clone)
		evil(root)
		root.CreateAttr("ID", "_evil")
		root.InsertChildAt(child0(root, "Signature").Index(), clone)
	},
	"3: forged assertion before the signed one": func(root *etree.Element) {
		a := child0(root, "Assertion")
		root.InsertChildAt(a.Index(), forgedFrom(a))
	},
	"4: signed assertion in the forged one": func(root *etree.Element) {
		a := child0(root, "Assertion")
		f := forgedFrom(a)
		root.InsertChildAt(a.Index(), f)
		root.RemoveChild(a)
		f.AddChild(a)
	},
	"5: forged assertion with the signature, signed one at the end": func(root *etree.Element) {
		a := child0(root, "Assertion")
		clone := a.Copy()
		removeSignature(clone)
		evil(a)
		a.CreateAttr("ID", "_evil")
		root.AddChild(clone)
	},
	"6: signed assertion in the forged one's signature": func(root *etree.Element) {
		a := child0(root, "Assertion")
		clone := a.Copy()
		removeSignature(clone)
		evil(a)
		a.CreateAttr("ID", "_evil")
		child0(a, "Signature").AddChild(clone)
	},
	"7: forged assertion in Extensions": func(root *etree.Element) {
		ext := etree.NewElement("samlp:Extensions")
		ext.AddChild(forgedFrom(child0(root, "Assertion")))
		root.InsertChildAt(0, ext)
	},
	"8: signed assertion in an Object of the forged one's signature": func(root *etree.Element) {
		a := child0(root, "Assertion")
		clone := a.Copy()
		removeSignature(clone)
		evil(a)
		a.CreateAttr("ID", "_evil")
		object := etree.NewElement("ds:Object")
		object.AddChild(clone)
		child0(a, "Signature").AddChild(object)
	},
}

func child0(el *etree.Element, tag string) *etree.Element {
	for _, c := range el.ChildElements() {
		if c.Tag == tag {
			return c
		}
	}
	panic("no child " + tag)
}

func removeSignature(el *etree.Element) {
	for _, c := range el.ChildElements() {
		if c.Tag == "Signature" {
			el.RemoveChild(c)
		}
	}
}

// evil makes el about root.
func evil(el *etree.Element) {
	for e := range elements(el) {
		if e.Tag == "NameID" {
			e.SetText("root")
		}
	}
}

func forgedFrom(a *etree.Element) *etree.Element {
	f := a.Copy()
	removeSignature(f)
	evil(f)
	f.CreateAttr("ID", "_evil")
	return f
}

func TestSM1(t *testing.T) {
	for name, wrap := range xsw {
		for signed, f := range map[string]forge{"response signed": {signResponse: true}, "assertion signed": {signAssertion: true}, "both signed": {}} {
			usable := strings.HasPrefix(name, "1") || strings.HasPrefix(name, "2")
			if usable && signed == "assertion signed" {
				continue // there is no signature of the Response to wrap
			}
			if !usable && signed == "response signed" && !strings.HasPrefix(name, "3") && !strings.HasPrefix(name, "4") && !strings.HasPrefix(name, "7") {
				continue // nor of the assertion
			}
			f.after = wrap
			refuse(t, name+", "+signed, f)
			if usable || signed == "response signed" {
				continue
			}
			f.after, f.middle = nil, wrap
			f.signAssertion, f.signResponse = true, false
			f.encrypt = func(plain string) string { return encrypted(plain, gcm256) }
			refuse(t, name+", "+signed+", encrypted", f)
		}
	}
}

func TestSM2(t *testing.T) {
	second := func(root *etree.Element) *etree.Element { return forgedFrom(child0(root, "Assertion")) }
	refuse(t, "signed and unsigned", forge{signAssertion: true, after: func(root *etree.Element) { root.AddChild(second(root)) }})
	refuse(t, "unsigned and signed", forge{signAssertion: true, after: func(root *etree.Element) {
		root.InsertChildAt(child0(root, "Assertion").Index(), second(root))
	}})
	refuse(t, "both signed, of different people", forge{signAssertion: true, after: func(root *etree.Element) {
		s := second(root)
		root.AddChild(s)
		signWith(idpKeys(), s, "")
	}})
	refuse(t, "two in a signed response", forge{signResponse: true, middle: func(root *etree.Element) { root.AddChild(second(root)) }})
	refuse(t, "plain and encrypted", forge{signAssertion: true, after: func(root *etree.Element) {
		root.AddChild(element(encrypted(xmlOf(must1(detached(second(root)))), gcm256)))
	}})
	refuse(t, "none", forge{signResponse: true, text: without("<saml:Assertion ", "</saml:Assertion>")})
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
