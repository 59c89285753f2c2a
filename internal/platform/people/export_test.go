package people

// Parse is parse, for the fuzzer outside.
var Parse = parse
