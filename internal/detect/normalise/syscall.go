package normalise

import "net/netip"

func formatIP(raw []byte) string {
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return ""
	}
	return addr.Unmap().String()
}

// syscallName names the system calls that detection looks for, by the architecture's number (AUDIT_ARCH_X86_64 is
// c000003e, AUDIT_ARCH_AARCH64 c00000b7). auditd adds the name itself only with log_format = ENRICHED.
func syscallName(arch, number string) string {
	if number != "" && (number[0] < '0' || number[0] > '9') {
		return number // auoms and ausearch -i write the name
	}
	switch arch {
	case "c000003e", "x86_64":
		return syscallX86(number)
	case "c00000b7", "aarch64":
		return syscallARM(number)
	}
	return ""
}

// syscallX86 is arch/x86/entry/syscalls/syscall_64.tbl.
func syscallX86(number string) string {
	switch number {
	case "2":
		return "open"
	case "41":
		return "socket"
	case "42":
		return "connect"
	case "43":
		return "accept"
	case "49":
		return "bind"
	case "56":
		return "clone"
	case "59":
		return "execve"
	case "62":
		return "kill"
	case "82":
		return "rename"
	case "83":
		return "mkdir"
	case "87":
		return "unlink"
	case "88":
		return "symlink"
	case "90":
		return "chmod"
	case "92":
		return "chown"
	case "99":
		return "sysinfo"
	case "101":
		return "ptrace"
	case "103":
		return "syslog"
	case "105":
		return "setuid"
	case "133":
		return "mknod"
	case "135":
		return "personality"
	case "157":
		return "prctl"
	case "161":
		return "chroot"
	case "165":
		return "mount"
	case "175":
		return "init_module"
	case "176":
		return "delete_module"
	case "188":
		return "setxattr"
	case "227":
		return "clock_settime"
	case "257":
		return "openat"
	case "259":
		return "mknodat"
	case "263":
		return "unlinkat"
	case "264":
		return "renameat"
	case "268":
		return "fchmodat"
	case "272":
		return "unshare"
	case "310":
		return "process_vm_readv"
	case "311":
		return "process_vm_writev"
	case "313":
		return "finit_module"
	case "316":
		return "renameat2"
	case "319":
		return "memfd_create"
	case "321":
		return "bpf"
	case "322":
		return "execveat"
	case "323":
		return "userfaultfd"
	}
	return ""
}

// syscallARM is include/uapi/asm-generic/unistd.h.
func syscallARM(number string) string {
	switch number {
	case "5":
		return "setxattr"
	case "33":
		return "mknodat"
	case "35":
		return "unlinkat"
	case "38":
		return "renameat"
	case "40":
		return "mount"
	case "51":
		return "chroot"
	case "53":
		return "fchmodat"
	case "56":
		return "openat"
	case "92":
		return "personality"
	case "97":
		return "unshare"
	case "105":
		return "init_module"
	case "106":
		return "delete_module"
	case "112":
		return "clock_settime"
	case "116":
		return "syslog"
	case "117":
		return "ptrace"
	case "129":
		return "kill"
	case "146":
		return "setuid"
	case "167":
		return "prctl"
	case "179":
		return "sysinfo"
	case "198":
		return "socket"
	case "200":
		return "bind"
	case "202":
		return "accept"
	case "203":
		return "connect"
	case "220":
		return "clone"
	case "221":
		return "execve"
	case "270":
		return "process_vm_readv"
	case "271":
		return "process_vm_writev"
	case "273":
		return "finit_module"
	case "276":
		return "renameat2"
	case "279":
		return "memfd_create"
	case "280":
		return "bpf"
	case "281":
		return "execveat"
	}
	return ""
}
