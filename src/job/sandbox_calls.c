/* SPDX-License-Identifier: MIT */
/* A seccomp filter: a list of system calls that nothing in pique needs, and by which a process
 * reaches the network, other processes or rarely tried corners of the kernel. Everything else is
 * let through, since no list of what libraries may call stays right for long.
 *
 * A refused call returns an error as if it were not permitted, and the caller goes on or tells. */
#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "job/sandbox.h"

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

/* Numbers that old headers lack; they are the same everywhere. */
enum {
    IO_URING_SETUP = 425,
    OPEN_TREE = 428,
    MOVE_MOUNT = 429,
    FSOPEN = 430,
    FSCONFIG = 431,
    FSMOUNT = 432,
    FSPICK = 433,
    PIDFD_OPEN = 434,
    CLONE3 = 435,
    PIDFD_GETFD = 438,
    MOUNT_SETATTR = 442,
    FCHMODAT2 = 452,
    SETXATTRAT = 463,
    REMOVEXATTRAT = 466
};

static const int refused[] = {
    /* other processes */
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_kcmp,
    PIDFD_OPEN,
    PIDFD_GETFD,
    /* memory and queues that processes of a user share by a number or a name */
    __NR_shmget,
    __NR_shmat,
    __NR_shmctl,
    __NR_shmdt,
    __NR_semget,
    __NR_semop,
    __NR_semctl,
    __NR_semtimedop,
    __NR_msgget,
    __NR_msgsnd,
    __NR_msgrcv,
    __NR_msgctl,
    __NR_mq_open,
    __NR_mq_unlink,
    __NR_mq_timedsend,
    __NR_mq_timedreceive,
    __NR_mq_notify,
    __NR_mq_getsetattr,
    /* the network by another door: a ring makes sockets without socket() */
    IO_URING_SETUP,
    /* to empty a file by its name, about which Landlock asks from version 3 alone; who has opened
     * it to write has ftruncate() */
    __NR_truncate,
    /* whose a file is and who may read it, about which Landlock asks nothing */
    __NR_fchmod,
    __NR_fchmodat,
    FCHMODAT2,
    __NR_fchown,
    __NR_fchownat,
    __NR_setxattr,
    __NR_lsetxattr,
    __NR_fsetxattr,
    SETXATTRAT,
    __NR_removexattr,
    __NR_lremovexattr,
    __NR_fremovexattr,
    REMOVEXATTRAT,
    __NR_utimensat,
#ifdef __NR_chmod
    __NR_chmod,
    __NR_chown,
    __NR_lchown,
    __NR_utime,
    __NR_utimes,
    __NR_futimesat,
#endif
    /* what is mounted, and other worlds */
    __NR_mount,
    __NR_umount2,
    __NR_pivot_root,
    __NR_chroot,
    __NR_unshare,
    __NR_setns,
    OPEN_TREE,
    MOVE_MOUNT,
    FSOPEN,
    FSCONFIG,
    FSMOUNT,
    FSPICK,
    MOUNT_SETATTR,
    __NR_name_to_handle_at,
    __NR_open_by_handle_at,
    __NR_quotactl,
    __NR_swapon,
    __NR_swapoff,
    /* the kernel */
    __NR_bpf,
    __NR_perf_event_open,
    __NR_userfaultfd,
    __NR_init_module,
    __NR_finit_module,
    __NR_delete_module,
    __NR_kexec_load,
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
    __NR_reboot,
    __NR_syslog,
    __NR_acct,
    /* keys */
    __NR_add_key,
    __NR_request_key,
    __NR_keyctl,
    /* the machine */
    __NR_settimeofday,
    __NR_clock_settime,
    __NR_clock_adjtime,
    __NR_adjtimex,
    __NR_sethostname,
    __NR_setdomainname,
    __NR_vhangup,
#ifdef __NR_iopl
    __NR_iopl,
    __NR_ioperm,
    __NR_modify_ldt,
    __NR_uselib,
#endif
};

/* ---- writing the filter ---- */

enum { MOST = 3 * PQ_COUNT(refused) + 80 };

struct filter {
    struct sock_filter code[MOST];
    unsigned short length;
    bool full;
};

static void put(struct filter *f, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    if (f->length >= MOST)
        f->full = true;
    else
        f->code[f->length++] = (struct sock_filter){code, yes, no, value};
}

static void load(struct filter *f, size_t offset)
{
    put(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct filter *f, int error)
{
    put(f, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error, 0, 0);
}

static void refuse(struct filter *f, int number, int error)
{
    put(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
    answer(f, error);
}

/* The lower half of an argument, which is all that the kernel looks at where we do. */
static size_t argument(int i)
{
    return offsetof(struct seccomp_data, args) + 8 * (size_t)i; /* little-endian */
}

/* Refused where the argument is one of these values. The number is in the register before and is
 * so after. */
static void refuse_values(struct filter *f, int number, int which, const uint32_t *values,
                          size_t count)
{
    put(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, (uint8_t)(2 + 2 * count));
    load(f, argument(which));
    for (size_t i = 0; i < count; i++) {
        put(f, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
        answer(f, EPERM);
    }
    load(f, offsetof(struct seccomp_data, nr));
}

/* ... where it is not zero */
static void refuse_others(struct filter *f, int number, int which)
{
    put(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
    load(f, argument(which));
    put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    answer(f, EPERM);
    load(f, offsetof(struct seccomp_data, nr));
}

/* ... where it has one of these bits (wanted), or none of them. */
static void refuse_bits(struct filter *f, int number, int which, uint32_t bits, bool wanted)
{
    put(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
    load(f, argument(which));
    put(f, BPF_JMP | BPF_JSET | BPF_K, bits, wanted ? 0 : 1, wanted ? 1 : 0);
    answer(f, EPERM);
    load(f, offsetof(struct seccomp_data, nr));
}

/* ---- what is refused ---- */

static void refuse_processes(struct filter *f, bool strict)
{
    const uint32_t worlds = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS |
                            CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;
    /* Its flags lie in memory, where no filter can read them; who is told that it does not exist
     * calls clone(). */
    refuse(f, CLONE3, ENOSYS);
    refuse_bits(f, __NR_clone, 0, worlds, true);
    refuse_others(f, __NR_prlimit64, 0); /* 0 is who calls, as getrlimit() and setrlimit() do */
    if (!PQ_SANITIZED)
        refuse(f, __NR_ptrace, EPERM);
    if (!strict)
        return;
    refuse(f, __NR_execve, EPERM);
    refuse(f, __NR_execveat, EPERM);
    if (PQ_SANITIZED)
        return;
    refuse_bits(f, __NR_clone, 0, CLONE_THREAD, false); /* threads are fine */
#ifdef __NR_fork
    refuse(f, __NR_fork, EPERM);
    refuse(f, __NR_vfork, EPERM);
#endif
}

static void write_filter(struct filter *f, bool strict)
{
    static const uint32_t terminal[] = {TIOCSTI, TIOCLINUX}; /* to type for the user */
    load(f, offsetof(struct seccomp_data, arch));
    put(f, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    answer(f, ENOSYS); /* calls of 32 bits, whose numbers mean something else */
    load(f, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put(f, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1); /* x32 */
    answer(f, ENOSYS);
#endif
    /* Of any family: Landlock knows TCP alone, and a socket of the file system may lead to a
     * service that has all rights. socketpair() is left. */
    refuse(f, __NR_socket, EACCES);
    for (size_t i = 0; i < PQ_COUNT(refused); i++)
        refuse(f, refused[i], EPERM);
    refuse_values(f, __NR_ioctl, 1, terminal, PQ_COUNT(terminal));
    refuse_processes(f, strict);
    put(f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

int pq_sandbox_calls(const struct pq_sandbox *box, unsigned *held, pique_error *err)
{
    struct filter f = {.length = 0};
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) /* a kernel without */
        return 0;
    write_filter(&f, box->strict);
    if (f.full)
        return pq_fail(err, PIQUE_EINTERNAL, "the filter of system calls is too long");
    const struct sock_fprog program = {.len = f.length, .filter = f.code};
    if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
        if (errno == ENOSYS || errno == EINVAL) /* a kernel without filters */
            return 0;
        return pq_fail_errno(err, errno, pq_tr("this process"), "be put into a sandbox");
    }
    *held |= PQ_HELD_CALLS;
    return 0;
}

#else /* a processor whose numbers of calls nobody has looked up */

int pq_sandbox_calls(const struct pq_sandbox *box, unsigned *held, pique_error *err)
{
    (void)box;
    (void)held;
    (void)err;
    return 0;
}

#endif
