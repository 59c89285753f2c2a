package event

// Names of ECS fields that more than one package uses. A name that only one normaliser writes stands
// there as text: the schema itself is the list (https://www.elastic.co/docs/reference/ecs).
const (
	Message          = "message"
	Original         = "event.original"
	EventKind        = "event.kind" // "event" when absent; KindPipelineError
	EventModule      = "event.module"
	EventDataset     = "event.dataset"
	EventCategory    = "event.category"
	EventType        = "event.type"
	EventAction      = "event.action"
	EventCode        = "event.code"
	EventOutcome     = "event.outcome"
	EventProvider    = "event.provider"
	EventIngested    = "event.ingested"
	ErrorMessage     = "error.message"
	HostName         = "host.name"
	UserName         = "user.name"
	UserDomain       = "user.domain"
	UserEmail        = "user.email"
	SourceIP         = "source.ip"
	SourcePort       = "source.port"
	SourceDomain     = "source.domain"
	DestinationIP    = "destination.ip"
	DestinationPort  = "destination.port"
	DestinationHost  = "destination.domain"
	ProcessName      = "process.name"
	ProcessPID       = "process.pid"
	ProcessExe       = "process.executable"
	ProcessCommand   = "process.command_line"
	ParentExe        = "process.parent.executable"
	ParentCommand    = "process.parent.command_line"
	FilePath         = "file.path"
	URLFull          = "url.full"
	UserAgent        = "user_agent.original"
	WinlogChannel    = "winlog.channel"
	WinlogEventID    = "winlog.event_id"
	WinlogProvider   = "winlog.provider_name"
	WinlogRecordID   = "winlog.record_id"
	WinlogComputer   = "winlog.computer_name"
	WinlogEventData  = "winlog.event_data." // prefix
	WinlogUserData   = "winlog.user_data."  // prefix
	LogFilePath      = "log.file.path"
	LogSyslogProgram = "log.syslog.appname"

	// What Yagura itself knows about how an event came.
	SourceID    = "yagura.source"     // the source's id: the token's or the listener's name
	SourceInput = "yagura.input"      // elastic, hec, otlp, api, syslog, file, import
	SourceHost  = "yagura.remote.ip"  // who sent it
	SourceFile  = "yagura.file"       // the file it was imported from
	SourceLine  = "yagura.record"     // its line or record number there
	ErrorReason = "yagura.error.kind" // with KindPipelineError: which step failed

	// Overflow holds what an event has beyond the number of fields that one may have, as JSON text.
	Overflow = "yagura.overflow"
)

// KindPipelineError is event.kind of an event that could not be decoded: it is stored as it came, in
// event.original, with the reason in error.message.
const KindPipelineError = "pipeline_error"
