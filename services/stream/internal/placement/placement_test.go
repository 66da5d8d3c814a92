package placement

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

func instances(groups ...int) (out []Instance) {
	for i, n := range groups {
		out = append(out, Instance{ID: fmt.Sprint("i", i), Groups: n})
	}
	return out
}

func TestABurstSpreadsAlthoughAllSeeOnePicture(t *testing.T) {
	all := instances(0, 0, 0, 0)
	got := map[string]int{}
	for g := range 400 {
		can, err := Choose(fmt.Sprint("group", g), all)
		if err != nil {
			t.Fatal(err)
		}
		got[can[0].ID]++
	}
	for _, i := range all {
		if n := got[i.ID]; n < 60 || n > 140 {
			t.Errorf("%s gets %d of 400", i.ID, n)
		}
	}
}

func TestTheLessLoadedOfTwoIsChosen(t *testing.T) {
	all := instances(0, 20)
	for g := range 50 {
		if can, err := Choose(fmt.Sprint("g", g), all); err != nil || can[0].ID != "i0" || len(can) != 2 {
			t.Fatalf("group %d: %v %v", g, can, err)
		}
	}
	all = instances(3, 3)
	all[0].Busy = 1 // something else eats its processors
	if can, _ := Choose("g", all); can[0].ID != "i1" {
		t.Errorf("the busy one is chosen: %v", can)
	}
}

func TestNobodyIsGivenMoreThanItTakes(t *testing.T) {
	all := instances(5, 2, 0)
	all[0].Capacity, all[1].Capacity, all[2].Draining = 5, 3, true
	for g := range 50 {
		if can, err := Choose(fmt.Sprint("g", g), all); err != nil || len(can) != 1 || can[0].ID != "i1" {
			t.Fatalf("%v %v", can, err)
		}
	}
	all[1].Groups = 3
	_, err := Choose("lobby", all)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "lobby") || !strings.Contains(err.Error(), "all 2 stream instances") || !strings.Contains(err.Error(), "--max-groups") {
		t.Errorf("all are full: %v", err)
	}
	if _, err := Choose("lobby", all[2:]); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("all drain: %v", err)
	}
	if Rank("lobby", "i2", all) != -1 || Rank("lobby", "i1", instances(0, 0)) < 0 {
		t.Error("ranks")
	}
}

// TestRebalancingMovesWhatItMustAndComesToRest plays random pictures to their end.
func TestRebalancingMovesWhatItMustAndComesToRest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 2 + rnd.IntN(5)
		all := make([]Instance, n)
		total := 0
		for i := range all {
			all[i] = Instance{ID: fmt.Sprint("i", i), Groups: rnd.IntN(30), Busy: rnd.Float64()}
			total += all[i].Groups
		}
		share := (total + n - 1) / n
		least := 0
		for _, i := range all {
			least += max(i.Groups-share, 0)
		}
		moves := 0
		for again := true; again; {
			again = false
			for i := range all {
				k, to := Excess(all[i].ID, all)
				if k == 0 {
					continue
				}
				for j := range all {
					if all[j].ID == to {
						all[j].Groups++
						all[i].Groups--
						moves, again = moves+1, true
					}
				}
			}
			if moves > total {
				t.Fatal("it never comes to rest")
			}
		}
		if moves > least {
			t.Fatalf("%d moves, %d would do", moves, least)
		}
		for _, i := range all {
			if i.Groups > share+1 {
				t.Fatalf("at rest with %v, share %d", all, share)
			}
		}
	}
}

func TestNothingMovesForADifferenceOfOne(t *testing.T) {
	for _, groups := range [][]int{{3, 2}, {1, 0}, {3, 3, 2}, {0, 0}} {
		for _, i := range instances(groups...) {
			if n, _ := Excess(i.ID, instances(groups...)); n != 0 {
				t.Errorf("%v: %s gives %d away", groups, i.ID, n)
			}
		}
	}
	full := instances(9, 0)
	full[1].Capacity, full[1].Groups = 1, 1
	if n, _ := Excess("i0", full); n != 0 {
		t.Error("a group moves to a full instance")
	}
}
