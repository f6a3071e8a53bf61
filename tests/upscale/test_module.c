/* SPDX-License-Identifier: MIT */
/* How the picture module is found, and what is said where it is not. A module is looked for once a
 * process, so each case runs in a child. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "pique/picture.h"
#include "upscale/module.h"

static char folder[] = "/tmp/pique-module-XXXXXX"; /* far from the module of this build */
static const char *sound, *old;                    /* shared objects, named by the build */

/* Put a file of that content where the module would be. */
static void put_module(const char *content)
{
    char path[64];
    snprintf(path, sizeof path, "%s/pique-picture.so", folder);
    unlink(path);
    if (!content)
        return;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(content, f);
    fclose(f);
}

/* In a child: ask for the module, and expect this status and these words. */
static void expect(const char *dir, int status, const char *words)
{
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct pq_picture_io *io;
        pique_error err = {0};
        setenv("PIQUE_MODULE_DIR", dir, 1);
        for (int i = 0; i < 2; i++) { /* the second time says the same */
            const int rc = pq_picture_module(&io, &err);
            if (rc != status || (rc && (io || err.code != rc || !strstr(err.message, words)))) {
                fprintf(stderr, "%d: %s\n", rc, err.message);
                _exit(1);
            }
        }
        pique_picture_info info = {.size = sizeof info};
        _exit(status && pique_picture_probe("a.png", false, &info, &err) != status);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void a_file_that_is_no_module_is_named(void **state)
{
    (void)state;
    put_module("this is not a shared object");
    expect(folder, PIQUE_EUNSUPPORTED, folder);
    put_module("");
    expect(folder, PIQUE_EUNSUPPORTED, "libvips");
}

/* Let the module be a link to that shared object. */
static void link_module(const char *object)
{
    char path[64];
    snprintf(path, sizeof path, "%s/pique-picture.so", folder);
    unlink(path);
    assert_int_equal(symlink(object, path), 0);
}

static void a_sound_module_is_loaded_from_where_the_environment_says(void **state)
{
    (void)state;
    if (!sound)
        skip();
    link_module(sound);
    expect(folder, 0, "");
}

static void a_module_of_another_version_is_refused(void **state)
{
    (void)state;
    if (!old)
        skip();
    link_module(old);
    expect(folder, PIQUE_EUNSUPPORTED, "version 999");
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    char data[65536];
    for (size_t n; (n = fread(data, 1, sizeof data, in)) > 0;)
        assert_int_equal(fwrite(data, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(to, 0700), 0);
}

/* What a copy of this program far from the build says when it is asked for the module. */
static int ask(void)
{
    const struct pq_picture_io *io;
    pique_error err = {0};
    return pq_picture_module(&io, &err) != PIQUE_EUNSUPPORTED ||
           !strstr(err.message, "was not found") || !strstr(err.message, "libvips-dev");
}

static void without_a_module_one_is_told_what_to_install(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/program", folder);
    put_module(NULL);
    copy_file("/proc/self/exe", path);
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        unsetenv("PIQUE_MODULE_DIR");
        execl(path, path, "--ask", (char *)NULL);
        _exit(99);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    unlink(path);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void a_replacement_is_used_before_anything_is_loaded(void **state)
{
    (void)state;
    static const struct pq_picture_io fake = {.version = PQ_PICTURE_IO_VERSION};
    const struct pq_picture_io *io;
    pq_picture_module_replace(&fake);
    assert_int_equal(pq_picture_module(&io, NULL), 0);
    assert_ptr_equal(io, &fake);
    pq_picture_module_replace(NULL);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    put_module(NULL);
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--ask") == 0)
        return ask();
    if (argc == 3) {
        sound = argv[1];
        old = argv[2];
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_no_module_is_named),
        cmocka_unit_test(a_sound_module_is_loaded_from_where_the_environment_says),
        cmocka_unit_test(a_module_of_another_version_is_refused),
        cmocka_unit_test(without_a_module_one_is_told_what_to_install),
        cmocka_unit_test(a_replacement_is_used_before_anything_is_loaded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
