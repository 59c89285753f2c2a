// Module attack makes the table of ATT&CK's tactics and techniques that the program embeds. It has a module of its own because nothing
// of it is part of the program.
module yagura/tools/attack

go 1.26.0
