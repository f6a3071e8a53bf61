/* SPDX-License-Identifier: MIT */
/* Landlock: from here on only what lies below the paths of a list can be opened.
 *
 * The list: what the caller names; what a program needs to start and to load its libraries (they
 * are opened as late as when the first film is); where the processor and the graphics card are
 * described. The structures of the kernel are written down here, so that what is built on an old
 * system uses all that a new one has. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/module.h"
#include "base/str.h"
#include "job/sandbox.h"
#include "pique/engine.h"

/* ---- the interface of the kernel, Documentation/userspace-api/landlock.rst ---- */

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, GET_VERSION = 1, BENEATH = 1 };

struct ruleset {
    uint64_t files;  /* from version 1 */
    uint64_t net;    /* 4 */
    uint64_t scoped; /* 6 */
};

struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

#define EXECUTE     (UINT64_C(1) << 0)
#define WRITE_FILE  (UINT64_C(1) << 1)
#define READ_FILE   (UINT64_C(1) << 2)
#define READ_DIR    (UINT64_C(1) << 3)
#define REMOVE_DIR  (UINT64_C(1) << 4)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_DIR    (UINT64_C(1) << 7)
#define MAKE_REG    (UINT64_C(1) << 8)
#define REFER       (UINT64_C(1) << 13) /* from version 2 */
#define TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */
#define OF_FILES    (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)

#define READ   (READ_FILE | READ_DIR)
#define RUN    (READ | EXECUTE)
#define DEVICE (READ | WRITE_FILE | TRUNCATE | IOCTL_DEV)
#define WRITE                                                                                      \
    (READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE)

/* Everything that this version can refuse. */
static uint64_t files_of(long version)
{
    uint64_t all = (UINT64_C(1) << 13) - 1;
    if (version >= 2)
        all |= REFER;
    if (version >= 3)
        all |= TRUNCATE;
    if (version >= 5)
        all |= IOCTL_DEV;
    return all;
}

/* ---- the list ---- */

struct list {
    int ruleset;
    uint64_t handled;
    pique_error *err;
};

/* What is not there, or not for us to see, needs no rule. */
static int allow(const struct list *l, const char *path, uint64_t rights)
{
    struct stat st;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP ||
                       errno == ENXIO
                   ? 0
                   : pq_fail_errno(l->err, errno, path, "be let into the sandbox");
    int rc = 0;
    if (fstat(fd, &st) != 0)
        rc = pq_fail_errno(l->err, errno, path, "be let into the sandbox");
    if (!S_ISDIR(st.st_mode))
        rights &= OF_FILES;
    const struct beneath rule = {.allowed = rights & l->handled, .parent = fd};
    if (!rc && rule.allowed && syscall(ADD_RULE, l->ruleset, BENEATH, &rule, 0) != 0)
        rc = pq_fail_errno(l->err, errno, path, "be let into the sandbox");
    close(fd);
    return rc;
}

static int allow_to_run(void *user, const char *path)
{
    return allow(user, path, RUN);
}

/* A program or library with the modules around it: each file alone and not its folder, which may be
 * the home of the user; but for one that is pique's own. */
static int allow_with_modules(struct list *l, const char *file)
{
    static const struct pq_module modules[] = {
        {.file = "pique-picture.so", .folder = "image"},
        {.file = "pique-video.so", .folder = "video"},
    };
    char real[PATH_MAX];
    if (!strchr(file, '/') || !realpath(file, real))
        return 0;
    char *slash = strrchr(real, '/');
    char *own = pq_asprintf("%.*s/../lib/pique", (int)(slash - real), real);
    int rc = own ? allow(l, own, RUN) : pq_fail_nomem(l->err, PATH_MAX);
    if (!rc)
        rc = allow(l, real, RUN);
    for (size_t i = 0; !rc && i < PQ_COUNT(modules); i++)
        rc = pq_module_around(&modules[i], file, allow_to_run, l);
    pq_free(own);
    return rc;
}

static int allow_ourselves(struct list *l)
{
    Dl_info info;
    union {
        const char *(*function)(void);
        void *object;
    } us = {.function = pique_version};
    const char *own = secure_getenv("PIQUE_MODULE_DIR");
    int rc = allow_with_modules(l, "/proc/self/exe");
    if (!rc && dladdr(us.object, &info) && info.dli_fname)
        rc = allow_with_modules(l, info.dli_fname);
    return rc || !own || !*own ? rc : allow(l, own, RUN);
}

static int allow_system(const struct list *l)
{
    static const struct {
        const char *path;
        uint64_t rights;
    } known[] = {
        {"/usr", RUN},
        {"/lib", RUN},
        {"/lib32", RUN},
        {"/lib64", RUN},
        {"/bin", RUN},
        {"/opt", RUN},
        {"/nix/store", RUN},
        {"/run/opengl-driver", RUN}, /* where NixOS has drivers */
        {"/gnu/store", RUN},
        /* Of /etc what libraries read, and nothing that has a secret. */
        {"/etc/ld.so.cache", READ},
        {"/etc/ld.so.conf", READ},
        {"/etc/ld.so.conf.d", READ},
        {"/etc/ld.so.preload", READ},
        {"/etc/alternatives", RUN},
        {"/etc/fonts", READ},
        {"/etc/localtime", READ},
        {"/etc/locale.alias", READ},
        {"/etc/nsswitch.conf", READ},
        {"/etc/passwd", READ},
        {"/etc/ImageMagick-6", READ},
        {"/etc/ImageMagick-7", READ},
        {"/etc/OpenCL", READ},
        {"/etc/vulkan", READ},
        {"/var/cache/fontconfig", READ},
        {"/proc/self", READ},
        {"/proc/cpuinfo", READ},
        {"/proc/meminfo", READ},
        {"/proc/stat", READ},
        {"/proc/filesystems", READ},
        {"/proc/devices", READ},
        {"/proc/modules", READ},
        {"/proc/driver/nvidia", READ},
        {"/proc/sys/vm", READ},
        {"/proc/sys/kernel/osrelease", READ},
        {"/sys/devices", READ},
        {"/sys/fs/cgroup", READ},
        {"/sys/class/drm", READ},
        {"/sys/bus/pci", READ},
        {"/sys/dev/char", READ},
        {"/sys/module/nvidia", READ},
        {"/sys/kernel/mm/transparent_hugepage", READ},
        {"/dev/null", DEVICE},
        {"/dev/zero", DEVICE},
        {"/dev/full", DEVICE},
        {"/dev/random", READ},
        {"/dev/urandom", READ},
        {"/dev/dri", DEVICE},
        {"/dev/kfd", DEVICE},
        {"/dev/nvidiactl", DEVICE},
        {"/dev/nvidia-uvm", DEVICE},
        {"/dev/nvidia-uvm-tools", DEVICE},
        {"/dev/nvidia-modeset", DEVICE},
        {"/dev/nvidia-caps", DEVICE},
        {"/dev/dxg", DEVICE}, /* the graphics card under WSL2 */
    };
    enum { CARDS = 16 };
    int rc = 0;
    for (size_t i = 0; !rc && i < PQ_COUNT(known); i++)
        rc = allow(l, known[i].path, known[i].rights);
    for (int i = 0; !rc && i < CARDS; i++) {
        char *card = pq_asprintf("/dev/nvidia%d", i);
        rc = card ? allow(l, card, DEVICE) : pq_fail_nomem(l->err, 32);
        pq_free(card);
    }
    return rc;
}

static int allow_all(struct list *l, const struct pq_sandbox *box)
{
    int rc = allow_system(l);
    if (!rc)
        rc = allow_ourselves(l);
    for (size_t i = 0; !rc && i < box->read_count; i++)
        rc = allow(l, box->read[i], READ);
    for (size_t i = 0; !rc && i < box->write_count; i++)
        rc = allow(l, box->write[i], WRITE);
    return rc;
}

/* ---- the way in ---- */

int pq_sandbox_files(const struct pq_sandbox *box, unsigned *held, pique_error *err)
{
    const long version = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
    if (version < 1) /* older than Linux 5.13, or switched off */
        return 0;
    const struct ruleset set = {.files = files_of(version),
                                .net = version >= 4 ? 3 : 0,     /* bind and connect */
                                .scoped = version >= 6 ? 3 : 0}; /* abstract sockets, signals */
    const size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    struct list l = {.handled = set.files, .err = err};
    l.ruleset = (int)syscall(CREATE_RULESET, &set, size, 0);
    if (l.ruleset < 0)
        return pq_fail_errno(err, errno, pq_tr("this process"), "be put into a sandbox");
    int rc = allow_all(&l, box);
    if (!rc && syscall(RESTRICT_SELF, l.ruleset, 0) != 0)
        rc = pq_fail_errno(err, errno, pq_tr("this process"), "be put into a sandbox");
    close(l.ruleset);
    if (rc)
        return rc;
    *held |= PQ_HELD_FILES | (set.net ? PQ_HELD_NETWORK : 0U) | (set.scoped ? PQ_HELD_SIGNALS : 0U);
    return 0;
}
