package sigma_test

import (
	"fmt"

	"yagura/sigma"
)

func Example() {
	file, err := sigma.Parse("whoami.yml", []byte(`
title: Whoami Execution
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: '\whoami.exe'
    filter:
        User|contains: SERVICE
    condition: selection and not filter
level: high
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	matcher, problems := sigma.Compile(file.Rules(), file.Filters(), sigma.Options{})
	for _, p := range append(file.Problems(), problems...) {
		fmt.Println(p)
	}
	scratch := matcher.NewScratch()
	event := sigma.Fields{
		{Name: "Image", Value: `C:\Windows\System32\WHOAMI.EXE`},
		{Name: "User", Value: `CORP\alice`},
	}
	for _, rule := range matcher.Match(event, scratch) {
		fmt.Println(rule.Level, rule.Title)
	}
	// Output: high Whoami Execution
}
