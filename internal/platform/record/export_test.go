package record

// What the tests look at alone.
var (
	MentionWords = mentionWords
	FileName     = fileName
)
