/* SPDX-License-Identifier: MIT */
#include "upscale/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#define MODULE "pique-picture.so"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct pq_picture_io *loaded; /* written inside once */
static pique_error failure;                /* why loaded is NULL */
static const struct pq_picture_io *replacement;

/* Open one file. False where it does not exist; any other failure goes to `failure`. */
static bool try_file(const char *path)
{
    if (!pq_exists(path))
        return false;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        pq_fail(
            &failure, PIQUE_EUNSUPPORTED,
            "%s cannot be loaded (%s); pictures need libvips and the libav libraries, on Debian "
            "the packages libvips42 and ffmpeg",
            path, why ? why : "no reason given");
        return true;
    }
    union {
        void *object;
        pq_picture_module_fn *function;
    } symbol = {.object = dlsym(handle, "pique_picture_module")};
    const struct pq_picture_io *io = symbol.object ? symbol.function() : NULL;
    if (io && io->version == PQ_PICTURE_IO_VERSION) {
        loaded = io;
        return true;
    }
    if (io)
        pq_fail(&failure, PIQUE_EUNSUPPORTED,
                "%s has version %d, and this pique needs version %d; install both from one build",
                path, io->version, PQ_PICTURE_IO_VERSION);
    else
        pq_fail(&failure, PIQUE_EUNSUPPORTED, "%s is not a picture module of pique", path);
    dlclose(handle);
    return true;
}

static bool try_folder(const char *folder, const char *below)
{
    char *path = pq_asprintf("%s/%s" MODULE, folder, below);
    if (!path) {
        pq_fail_nomem(&failure, strlen(folder) + sizeof MODULE);
        return true;
    }
    const bool found = try_file(path);
    pq_free(path);
    return found;
}

/* All places around the folder of `file`, which is cut at its last slash. */
static bool try_around(char *file)
{
    static const char *const below[] = {
        "", "src/image/", "../src/image/", "../../src/image/", "pique/", "../lib/pique/",
    };
    char *slash = strrchr(file, '/');
    if (!slash)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < PQ_COUNT(below); i++)
        if (try_folder(file, below[i]))
            return true;
    return false;
}

/* Only resolved paths: unless $PIQUE_MODULE_DIR says so, nothing is loaded from the folder that one
 * happens to stand in. */
static bool try_resolved(const char *path)
{
    char real[PATH_MAX];
    return strchr(path, '/') && realpath(path, real) && try_around(real);
}

static void load(void)
{
    const char *folder = secure_getenv("PIQUE_MODULE_DIR");
    if (folder && folder[0] && try_folder(folder, ""))
        return;
    Dl_info us;
    if (dladdr(&once, &us) && us.dli_fname && try_resolved(us.dli_fname))
        return;
    if (try_resolved("/proc/self/exe"))
        return;
    pq_fail(&failure, PIQUE_EUNSUPPORTED,
            "the picture module " MODULE " was not found beside the program nor in its library "
            "folder; PIQUE_MODULE_DIR can name the folder that has it. It is built where libvips "
            "and libavcodec are (Debian: libvips-dev, libavcodec-dev, libavutil-dev)");
}

int pq_picture_module(const struct pq_picture_io **io, pique_error *err)
{
    *io = replacement;
    if (*io)
        return 0;
    pthread_once(&once, load);
    *io = loaded;
    return loaded ? 0 : pq_fail(err, failure.code, "%s", failure.message);
}

void pq_picture_module_replace(const struct pq_picture_io *io)
{
    replacement = io;
}
