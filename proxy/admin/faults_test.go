package admin

import (
	"fmt"
	"testing"
)

func TestOldFaultsMakeRoom(t *testing.T) {
	var f Faults
	for i := range keptFaults + 10 {
		f.Add(Fault{Code: fmt.Sprint(i), Status: i})
	}
	for i, want := range map[int]bool{0: false, 9: false, 10: true, keptFaults: true, keptFaults + 9: true, keptFaults + 10: false} {
		got, ok := f.Find(fmt.Sprint(i))
		if ok != want || ok && got.Status != i {
			t.Errorf("fault %d: %v %v, want %v", i, got, ok, want)
		}
	}
	if len(f.kept) != keptFaults || len(f.byCode) != keptFaults {
		t.Errorf("%d kept under %d codes, want %d", len(f.kept), len(f.byCode), keptFaults)
	}
	if _, ok := f.Find(""); ok {
		t.Error("no code finds something")
	}
	var none *Faults
	none.Add(Fault{Code: "x"})
	if _, ok := none.Find("x"); ok {
		t.Error("nowhere keeps something")
	}
}
