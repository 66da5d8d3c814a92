package client

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsTheExample: the program in the README is the one that is compiled
// here.
func TestReadmeShowsTheExample(t *testing.T) {
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(example), "func Example() {\n")
	if body == "" || !strings.Contains(string(readme), "func main() {\n"+body) {
		t.Error("the program in sendspin/README.md differs from Example in example_test.go")
	}
}
