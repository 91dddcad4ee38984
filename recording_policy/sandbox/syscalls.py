"""Numbers of Linux system calls: those that a kep worker needs, and those that must be refused it.

Source: `asm/unistd_64.h` (x86_64) and `asm-generic/unistd.h` (aarch64); a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One processor's calling convention."""

    name: str
    audit_value: int
    """AUDIT_ARCH_* of `linux/audit.h`: how seccomp names it."""
    numbers: Mapping[str, int]

    def number(self, name: str) -> int:
        return self.numbers[name]


# fmt: off
_X86_64 = {
    "accept": 43, "accept4": 288, "access": 21, "acct": 163, "add_key": 248, "adjtimex": 159,
    "arch_prctl": 158, "bind": 49, "bpf": 321, "brk": 12, "capget": 125,
    "capset": 126, "chdir": 80, "chmod": 90,
    "chroot": 161, "clock_getres": 229, "clock_gettime": 228, "clock_nanosleep": 230,
    "clock_settime": 227, "clone": 56, "clone3": 435, "close": 3, "connect": 42,
    "copy_file_range": 326, "creat": 85, "delete_module": 176, "dup": 32, "dup2": 33,
    "dup3": 292, "epoll_create1": 291, "epoll_ctl": 233, "epoll_pwait": 281, "epoll_pwait2": 441,
    "epoll_wait": 232, "eventfd2": 290, "execve": 59, "execveat": 322, "exit": 60,
    "exit_group": 231, "faccessat": 269, "faccessat2": 439, "fallocate": 285,
    "fanotify_init": 300, "fchdir": 81, "fchmodat": 268, "fchownat": 260, "fcntl": 72,
    "fgetxattr": 193, "finit_module": 313, "flock": 73, "fork": 57, "fremovexattr": 199,
    "fsetxattr": 190, "fsopen": 430, "fstat": 5, "fsync": 74, "ftruncate": 77, "futex": 202,
    "futex_waitv": 449, "getdents64": 217, "getegid": 108, "geteuid": 107, "getgid": 104,
    "getpeername": 52, "getpid": 39, "getppid": 110, "getpriority": 140, "getrandom": 318,
    "getresgid": 120, "getresuid": 118, "getrlimit": 97, "getrusage": 98, "getsockname": 51,
    "getsockopt": 55, "gettid": 186, "gettimeofday": 96, "getuid": 102, "init_module": 175,
    "inotify_add_watch": 254, "inotify_init1": 294, "io_cancel": 210, "io_destroy": 207,
    "io_getevents": 208, "io_setup": 206, "io_submit": 209, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "ioctl": 16, "ioperm": 173, "iopl": 172,
    "kcmp": 312, "kexec_load": 246, "keyctl": 250, "kill": 62, "landlock_add_rule": 445,
    "landlock_create_ruleset": 444, "landlock_restrict_self": 446, "link": 86, "linkat": 265,
    "listen": 50, "lseek": 8, "lsetxattr": 189, "madvise": 28, "membarrier": 324,
    "memfd_create": 319, "memfd_secret": 447, "mkdir": 83, "mkdirat": 258, "mknodat": 259,
    "mlock": 149, "mlock2": 325, "mlockall": 151, "mmap": 9, "mount": 165, "move_mount": 429,
    "mprotect": 10, "mq_open": 240, "mremap": 25, "msgget": 68, "msgrcv": 70, "msgsnd": 69,
    "msync": 26, "munmap": 11, "name_to_handle_at": 303, "nanosleep": 35, "newfstatat": 262,
    "open": 2, "open_by_handle_at": 304, "open_tree": 428, "openat": 257, "openat2": 437,
    "pause": 34, "perf_event_open": 298, "personality": 135, "pidfd_getfd": 438,
    "pidfd_open": 434, "pidfd_send_signal": 424, "pipe": 22, "pipe2": 293, "pivot_root": 155,
    "pkey_mprotect": 329, "poll": 7, "ppoll": 271, "prctl": 157, "pread64": 17, "preadv": 295,
    "prlimit64": 302, "process_madvise": 440, "process_vm_readv": 310, "process_vm_writev": 311,
    "pselect6": 270, "ptrace": 101, "pwrite64": 18, "pwritev": 296, "pwritev2": 328,
    "quotactl": 179, "read": 0, "readahead": 187, "readlinkat": 267, "readv": 19, "reboot": 169,
    "recvfrom": 45, "recvmmsg": 299, "recvmsg": 47, "rename": 82, "renameat": 264,
    "renameat2": 316, "request_key": 249, "restart_syscall": 219, "rmdir": 84, "rseq": 334,
    "rt_sigaction": 13, "rt_sigpending": 127, "rt_sigprocmask": 14, "rt_sigqueueinfo": 129,
    "rt_sigreturn": 15, "rt_sigsuspend": 130, "rt_sigtimedwait": 128, "rt_tgsigqueueinfo": 297,
    "sched_getaffinity": 204, "sched_getattr": 315,
    "sched_setattr": 314, "sched_yield": 24, "seccomp": 317, "select": 23, "semget": 64,
    "sendfile": 40, "sendmmsg": 307, "sendmsg": 46, "sendto": 44, "set_robust_list": 273,
    "set_tid_address": 218, "setns": 308, "setresuid": 117, "setrlimit": 160, "setsockopt": 54,
    "setuid": 105, "setxattr": 188, "shmat": 30, "shmctl": 31, "shmdt": 67, "shmget": 29,
    "shutdown": 48, "sigaltstack": 131, "signalfd4": 289, "socket": 41, "socketpair": 53,
    "splice": 275, "statx": 332, "swapon": 167, "symlink": 88, "symlinkat": 266,
    "sync_file_range": 277, "syslog": 103, "tee": 276, "tgkill": 234, "timerfd_create": 283,
    "timerfd_settime": 286, "tkill": 200, "truncate": 76, "umount2": 166, "uname": 63,
    "unlink": 87, "unlinkat": 263, "unshare": 272, "userfaultfd": 323, "utimensat": 280,
    "vfork": 58, "vmsplice": 278, "wait4": 61, "waitid": 247, "write": 1, "writev": 20,
}
_AARCH64 = {
    "accept": 202, "accept4": 242, "acct": 89, "add_key": 217, "adjtimex": 171, "bind": 200,
    "bpf": 280, "brk": 214, "capget": 90,
    "capset": 91, "chdir": 49, "chroot": 51, "clock_getres": 114, "clock_gettime": 113,
    "clock_nanosleep": 115, "clock_settime": 112, "clone": 220, "clone3": 435, "close": 57,
    "connect": 203, "copy_file_range": 285, "delete_module": 106, "dup": 23, "dup3": 24,
    "epoll_create1": 20, "epoll_ctl": 21, "epoll_pwait": 22, "epoll_pwait2": 441, "eventfd2": 19,
    "execve": 221, "execveat": 281, "exit": 93, "exit_group": 94, "faccessat": 48,
    "faccessat2": 439, "fallocate": 47, "fanotify_init": 262, "fchdir": 50, "fchmodat": 53,
    "fchownat": 54, "fcntl": 25, "fgetxattr": 10, "finit_module": 273, "flock": 32,
    "fremovexattr": 16, "fsetxattr": 7, "fsopen": 430, "fstat": 80, "fsync": 82, "ftruncate": 46,
    "futex": 98, "futex_waitv": 449, "getdents64": 61, "getegid": 177, "geteuid": 175,
    "getgid": 176, "getpeername": 205, "getpid": 172, "getppid": 173, "getpriority": 141,
    "getrandom": 278, "getresgid": 150, "getresuid": 148, "getrlimit": 163, "getrusage": 165,
    "getsockname": 204, "getsockopt": 209, "gettid": 178, "gettimeofday": 169, "getuid": 174,
    "init_module": 105, "inotify_add_watch": 27, "inotify_init1": 26, "io_cancel": 3,
    "io_destroy": 1, "io_getevents": 4, "io_setup": 0, "io_submit": 2, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "ioctl": 29, "kcmp": 272, "kexec_load": 104,
    "keyctl": 219, "kill": 129, "landlock_add_rule": 445, "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446, "linkat": 37, "listen": 201, "lseek": 62, "lsetxattr": 6,
    "madvise": 233, "membarrier": 283, "memfd_create": 279, "memfd_secret": 447, "mkdirat": 34,
    "mknodat": 33, "mlock": 228, "mlock2": 284, "mlockall": 230, "mmap": 222, "mount": 40,
    "move_mount": 429, "mprotect": 226, "mq_open": 180, "mremap": 216, "msgget": 186,
    "msgrcv": 188, "msgsnd": 189, "msync": 227, "munmap": 215, "name_to_handle_at": 264,
    "nanosleep": 101, "newfstatat": 79, "open_by_handle_at": 265, "open_tree": 428, "openat": 56,
    "openat2": 437, "perf_event_open": 241, "personality": 92, "pidfd_getfd": 438,
    "pidfd_open": 434, "pidfd_send_signal": 424, "pipe2": 59, "pivot_root": 41,
    "pkey_mprotect": 288, "ppoll": 73, "prctl": 167, "pread64": 67, "preadv": 69,
    "prlimit64": 261, "process_madvise": 440, "process_vm_readv": 270, "process_vm_writev": 271,
    "pselect6": 72, "ptrace": 117, "pwrite64": 68, "pwritev": 70, "pwritev2": 287,
    "quotactl": 60, "read": 63, "readahead": 213, "readlinkat": 78, "readv": 65, "reboot": 142,
    "recvfrom": 207, "recvmmsg": 243, "recvmsg": 212, "renameat": 38, "renameat2": 276,
    "request_key": 218, "restart_syscall": 128, "rseq": 293, "rt_sigaction": 134,
    "rt_sigpending": 136, "rt_sigprocmask": 135, "rt_sigqueueinfo": 138, "rt_sigreturn": 139,
    "rt_sigsuspend": 133, "rt_sigtimedwait": 137, "rt_tgsigqueueinfo": 240,
    "sched_getaffinity": 123, "sched_getattr": 275,
    "sched_setattr": 274, "sched_yield": 124, "seccomp": 277, "semget": 190, "sendfile": 71,
    "sendmmsg": 269, "sendmsg": 211, "sendto": 206, "set_robust_list": 99, "set_tid_address": 96,
    "setns": 268, "setresuid": 147, "setrlimit": 164, "setsockopt": 208, "setuid": 146,
    "setxattr": 5, "shmat": 196, "shmctl": 195, "shmdt": 197, "shmget": 194, "shutdown": 210,
    "sigaltstack": 132, "signalfd4": 74, "socket": 198, "socketpair": 199, "splice": 76,
    "statx": 291, "swapon": 224, "symlinkat": 36, "sync_file_range": 84, "syslog": 116,
    "tee": 77, "tgkill": 131, "timerfd_create": 85, "timerfd_settime": 86, "tkill": 130,
    "truncate": 45, "umount2": 39, "uname": 160, "unlinkat": 35, "unshare": 97,
    "userfaultfd": 282, "utimensat": 88, "vmsplice": 75, "wait4": 260, "waitid": 95, "write": 64,
    "writev": 66,
}
# fmt: on

X86_64 = Architecture("x86_64", 0xC000003E, _X86_64)
AARCH64 = Architecture("aarch64", 0xC00000B7, _AARCH64)
TABLES: Mapping[str, Architecture] = {each.name: each for each in (X86_64, AARCH64)}
