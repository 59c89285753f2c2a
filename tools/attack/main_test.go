package main

import (
	"os"
	"testing"
)

// A bundle of a few objects: what is revoked or deprecated is left out, and of what is revoked the table tells what stands in its place.
func TestConvert(t *testing.T) {
	t.Parallel()
	bundle, err := os.ReadFile("testdata/bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := convert(bundle, "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/table.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := convert([]byte(`{"objects": []}`), "1"); err == nil {
		t.Error("an empty bundle was made into a table")
	}
}
