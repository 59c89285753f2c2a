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

func ExampleExplain() {
	file, err := sigma.Parse("whoami.yml", []byte(`
title: Whoami Execution
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: ['\whoami.exe', '\whoami64.exe']
        CommandLine|contains: /all
    filter:
        User|contains: SERVICE
    condition: selection and not filter
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	why, err := sigma.Explain(file.Rules()[0], sigma.Fields{
		{Name: "Image", Value: `C:\Windows\System32\WHOAMI.EXE`},
		{Name: "CommandLine", Value: "whoami /groups"},
		{Name: "User", Value: `CORP\alice`},
	}, sigma.Options{NoRouting: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(why)
	for _, r := range why.Missing() {
		fmt.Printf("line %d: %s is %q\n", r.Line, r.Text, r.Values)
	}
	// Output:
	// - rule Whoami Execution
	//   - and
	//     - search selection
	//       - and
	//         + item Image|endswith <- C:\Windows\System32\WHOAMI.EXE
	//           + value \whoami.exe <- C:\Windows\System32\WHOAMI.EXE
	//           - value \whoami64.exe
	//         - item CommandLine|contains <- whoami /groups
	//           - value /all
	//     + not
	//       - search filter
	//         - item User|contains <- CORP\alice
	//           - value SERVICE
	// line 7: CommandLine|contains is ["whoami /groups"]
}

func ExampleJSON() {
	var event sigma.JSON // used again for each event
	if err := event.Parse([]byte(`{"process": {"name": "whoami.exe", "args": ["/all", 1]}}`)); err != nil {
		fmt.Println(err)
		return
	}
	for i := range event.NumFields() {
		name, value, _ := event.Field(i)
		fmt.Println(name, value)
	}
	// Output:
	// process.name whoami.exe
	// process.args /all
	// process.args 1
}
