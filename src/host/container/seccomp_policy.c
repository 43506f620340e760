#include "seccomp_policy.h"

const char *const seccomp_always[] = {
    /* files */
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 "
    "dup3 "
    "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat "
    "fchmodat2 "
    "fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock "
    "fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
    "ftruncate64 futimesat getcwd getdents getdents64 getxattr lchown lchown32 lgetxattr "
    "link linkat listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 "
    "mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 "
    "pread64 "
    "preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv "
    "removexattr rename renameat renameat2 rmdir sendfile sendfile64 setxattr splice "
    "stat "
    "stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee "
    "truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes "
    "vmsplice write writev cachestat",
    /* memory */
    "brk madvise map_shadow_stack memfd_create memfd_secret mincore "
    "mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall "
    "munmap "
    "pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages membarrier",
    /* processes, threads, time */
    "alarm capget capset clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 execve execveat exit "
    "exit_group "
    "fork vfork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake "
    "getcpu "
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer "
    "getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 "
    "getresuid "
    "getresuid32 getrlimit get_robust_list getrusage getsid get_thread_area gettid "
    "gettimeofday getuid getuid32 ioprio_get ioprio_set kill nanosleep pause pidfd_open "
    "pidfd_send_signal prctl prlimit64 ptrace restart_syscall rseq sched_getaffinity "
    "sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
    "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
    "seccomp "
    "setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
    "setitimer "
    "setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 "
    "setreuid setreuid32 setrlimit set_robust_list setsid set_thread_area "
    "set_tid_address "
    "setuid setuid32 sysinfo tgkill time timer_create timer_delete timer_getoverrun "
    "timer_gettime timer_gettime64 timer_settime timer_settime64 times tkill ugetrlimit "
    "uname wait4 waitid waitpid adjtimex clock_adjtime clock_adjtime64 landlock_add_rule "
    "landlock_create_ruleset landlock_restrict_self arch_prctl modify_ldt",
    /* signals */
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend "
    "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack "
    "signalfd signalfd4 sigprocmask sigreturn",
    /* waiting */
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
    "epoll_wait "
    "epoll_wait_old eventfd eventfd2 inotify_add_watch inotify_init inotify_init1 "
    "inotify_rm_watch _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select "
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 "
    "fanotify_mark io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
    "io_setup io_submit",
    /* sockets and pipes; socket() itself has a rule */
    "accept accept4 bind connect getpeername getsockname getsockopt ioctl ipc listen "
    "pipe "
    "pipe2 recv recvfrom recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto "
    "setsockopt shutdown socketcall socketpair",
    /* System V and POSIX IPC */
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop "
    "semtimedop semtimedop_time64 shmat shmctl shmdt shmget",
    /* arm64's and 32-bit arm's own, passed over elsewhere */
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    NULL,
};

const struct seccomp_extra seccomp_extras[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
     "mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
     "setdomainname "
     "sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE",
     "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};
const size_t seccomp_extra_count = sizeof(seccomp_extras) / sizeof(seccomp_extras[0]);

/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
#define CLONE_NAMESPACES 0x7E020000
#define AF_VSOCK_NUMBER  40

const struct seccomp_arg_rule seccomp_arg_rules[] = {
    {"personality", SECCOMP_EQUAL, 0x0, NULL},
    {"personality", SECCOMP_EQUAL, 0x8, NULL},
    {"personality", SECCOMP_EQUAL, 0x20000, NULL},
    {"personality", SECCOMP_EQUAL, 0x20008, NULL},
    {"personality", SECCOMP_EQUAL, 0xffffffff, NULL},
    {"socket", SECCOMP_NOT_EQUAL, AF_VSOCK_NUMBER, NULL},
    {"clone", SECCOMP_MASKED_ZERO, CLONE_NAMESPACES, "CAP_SYS_ADMIN"},
};
const size_t seccomp_arg_rule_count =
    sizeof(seccomp_arg_rules) / sizeof(seccomp_arg_rules[0]);
