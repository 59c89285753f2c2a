// Package sigma parses, compiles and matches Sigma detection rules, after the Sigma specification 2.1.0
// (https://github.com/SigmaHQ/sigma-specification): rules with all value modifiers, filters, and
// correlations of all seven types.
//
//	file, err := sigma.Parse("rule.yml", data)
//	matcher, problems := sigma.Compile(file.Rules(), file.Filters(), sigma.Options{Taxonomy: taxonomy})
//	scratch := matcher.NewScratch() // one for each goroutine
//	for _, rule := range matcher.Match(event, scratch) {
//		fmt.Println(rule.Level, rule.Title)
//	}
//
// An event is Fields, a JSON object read by JSON, or whatever implements Event. Explain says why a rule matches an event
// or does not; Matcher.Unselected, which rules cost something on every event. README.md has figures.
//
// Matches of rules that are correlated go on to a Correlator, with the time of their event:
//
//	set, problems := sigma.CompileCorrelations(file.Rules(), sigma.Options{Taxonomy: taxonomy})
//	correlator := sigma.NewCorrelator(set, sigma.CorrelatorOptions{})
//	for _, firing := range correlator.Add(rule, event, at, "where to find the event") {
//		fmt.Println(firing.Rule.Title, firing.Group, firing.Value, firing.Contributions)
//	}
//
// What the package promises: a rule either does what its text says or is reported, with file, line and
// reason; it is never left out or changed in silence. No rule and no event makes it panic, or makes it take
// more than time about proportional to the event's size. Match allocates nothing once its Scratch is warm,
// but for addresses and regular expressions that a rule makes it parse. Rules and matchers are immutable.
//
// # How the specification is read where it leaves room
//
// Text is compared without regard to case by Unicode simple case folding, rune by rune; with the modifier
// cased, byte by byte. The wildcard ? stands for one rune, or for one byte that is no UTF-8.
//
// Numbers and booleans compare as text for equality: "EventID: 1" matches the value 1 and the text "1", not
// 1.0. A number that YAML writes in another base (0x10) counts as its decimal; write it in quotes where the
// log has the other form. lt, lte, gt and gte compare numbers, in which a log may write integers with 0x; a
// value that is no number satisfies none of them.
//
// A field with several values satisfies an item if any of its values does. With all, each value of the rule
// must be met, by the same value of the event or different ones. A negation, by not or by neq, is that of the
// whole item: no value satisfies it. So a field that is missing satisfies every neq, as it satisfies every
// not.
//
// null means that the field is missing, or present and null. An empty string means a value that is empty; a
// missing field has no value. exists asks whether the field is there, null included. The pattern * means any
// value, an empty one included, but not null.
//
// Where the taxonomy gives several names for a field, the first one that the event has counts, even if its
// value is empty or null.
//
// Keywords are searched within the values of all fields that the taxonomy names, not in field names; each
// keyword with all may be in another field. A keyword is found anywhere in a value; wildcards within it work
// as they do elsewhere.
//
// fieldref compares the two fields' values, any with any, without regard to case unless cased stands beside
// it; startswith, endswith and contains may stand beside it in either order. A missing or null field is equal
// to nothing.
//
// windash takes each of - / – — ― wherever it stands in the value for each of the others, as the 2.1.0 text
// says; it is not limited to the beginning of an option.
//
// Modifiers apply in their order. So contains before base64offset is refused: the wildcards would be encoded.
// utf16, utf16be, utf16le and wide change the value to bytes. Encoded values are matched without regard to
// case like all others; add cased to be exact.
//
// re finds its expression anywhere in the value, like PCRE without anchors. The engine is RE2: what means the
// same in both is translated, and look-around, back-references, atomic groups and possessive quantifiers are
// refused. Expressions are case-sensitive without the flag i.
//
// minute, hour, day, week, month and year read the clock that a value shows and convert no time zone. week is
// the ISO 8601 week, 1 to 53. They may be combined with lt, lte, gt and gte ("hour|gte").
//
// cidr wants a network without bits behind its prefix, or a single address. An IPv4 address that a log writes
// as ::ffff:192.0.2.1 counts as IPv4.
//
// A placeholder without a value refuses its rule, as the specification demands of a tool that cannot handle
// it: ProblemPlaceholder. Values of placeholders may have wildcards, and are expressions with re.
//
// "1 of x*" and "all of x*" match names with * only. Names that begin with an underscore are left out, unless
// the pattern begins with one. "any of" means "1 of", and any other number is taken as at least that many,
// both beyond the specification. Operators are read in any case. The aggregations of Sigma 1 ("| count() by")
// are refused.
//
// A filter applies to the rules that it names by id or name and whose log source is the filter's or
// narrower. As in the reference implementation its condition is added with a logical AND just as it stands:
// exclusions are written "not selection". A filter without any negation is reported, because the
// specification's own example omits it.
//
// The older collections ("action: global", "reset", "repeat") are understood.
//
// # How correlations are read
//
// A match belongs to the groups of its values in group-by, compared without regard to case; of a field with several
// values, each makes a group. A match without a value in one of the fields, null or empty included, belongs to none.
// group-by is mandatory in the text of the specification and optional in its schema: without it all matches are one
// group, and the rule is reported with a warning. generate and field are read where the text has them and where the
// schema has them.
//
// A window is a timespan with both its ends: two matches exactly 5 minutes apart are within 5m. It is no stretch of the
// clock, but slides over the events' own times. A window is looked at for each match that it ends with, and a
// match that comes late is put where it belongs and may make the windows behind it fire.
//
// A condition that more matches cannot undo, of gt and gte over a count or sum, or of rules that matched, is decided as
// soon as it holds. The matches of the window then are spent: a match counts in one firing of a group. In an ordered correlation only
// the match that ends the window is spent, so that each success after the same failures fires.
//
// A condition with an upper bound (lt, lte, eq, neq, a range) or a not, and every mean and percentile, says something of
// a whole timespan. It is decided once when that is over, from a group's first match on, and the next window
// begins with the next match. It is over when an event is newer by the timespan and the lateness that the Correlator waits for.
// Nothing that comes later than that is counted; what is decided at once takes older matches, as long as their group is not beyond them.
// No match at all is no group: a condition that only nothing satisfies is refused.
//
// value_count counts different values without regard to case, and with a list of fields their combinations. value_sum,
// value_avg and value_percentile take each number of the field (hexadecimal integers too) and leave out what is none;
// a match without any does not count.
//
// The specification does not say which percentile value_percentile compares, and its example counts how rare a value is. Here
// percentile is a key of the condition, as in other tools, and it is refused without: "percentile: 95, gte: 100" asks whether
// the smallest number that 95 percent of the numbers do not exceed (nearest rank) is at least 100.
//
// The condition of a temporal correlation is a bound on how many of its rules matched, a text over their names (and, or, not,
// "1 of x*"), or is left out for all of them. In temporal_ordered what holds must hold of matches one after another; matches of the same
// time are in any order, and the number is that of the longest order. What a text negates must not match at all.
//
// A correlation of correlations sees a firing as a match at the time of its last match. It may group by what the inner
// one groups by, and by any other field of the inner one's rules: then the firing has all the values that its matches had, the
// first 64.
//
// A rule to which a correlation refers raises no alert by itself, unless the correlation says generate.
//
// State is bounded. A Correlator gives up the groups that would be forgotten first where there are too many, and counts them.
// Within a group so many matches are kept that no count reaches its bound late where events come in order; beyond that, repeated values,
// runs of one rule and sums are drawn together, and means and percentiles lose their oldest numbers, which is counted. What is decided
// only when its time is over (means, percentiles, upper bounds, what must not match) may then be missed or be wrong in a group that
// gets thousands of matches within its timespan and the bound on lateness, and so may matches that come late to such a group.
package sigma
